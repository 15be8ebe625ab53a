import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from benchmarks import gpu, harness
from benchmarks.harness import Limit, Result, Row, line_of, measure
from benchmarks.memory import write_params as write_params_of_memory
from benchmarks.run import BEGIN, END, table
from tests.small_line import wait_for
from transferline.params import load_params

ROOT = Path(__file__).parents[1]


def seconds(wall: float) -> dict[str, float]:
    return {"wall": wall, "cpu": wall / 2}


def test_the_benchmark_of_memory_writes_params_that_are_right(tmp_path: Path):
    write_params_of_memory(tmp_path)
    assert set(load_params(tmp_path / "params.yaml").candidates) == {"frozen", "scratch"}


def test_ratios_are_taken_pair_by_pair_and_limits_as_seconds():
    ours = [{"x": seconds(wall), "memory_mb": 100.0} for wall in (1.0, 2.0, 4.0)]
    theirs = [{"y": seconds(wall), "memory_mb": 200.0} for wall in (10.0, 10.0, 80.0)]
    result = Result({"a": [{}, *ours], "b": [theirs[0], *theirs]}, [])  # a failed in the first round
    line = line_of(result, Row("ratio", "a.x", "b.y", 8, 12))
    assert line["ratio"] == [10, 5, 20] and line["pairs"] == 3 and line["cpu_ratio"] == 10
    limit = line_of(result, Limit("limit", "b.y", 40, 15))
    assert limit["seconds"] == [10, 10, 80] and limit["ours"]["memory_mb"] == 200
    missing = line_of(Result({"a": ours, "b": []}, ["b: no module named b"]), Row("none", "a.x", "b.y", 1, 2))
    figures = {
        "machine": {"cores": 2, "cpu": "c", "memory_gb": 4, "python": "3", "load": [0.5]},
        "date": "d", "images": 1, "photographs": "made", "minutes": 1, "rows": [line, limit, missing],
    }  # fmt: skip
    page = table(figures)
    assert "| 10.00 (5.00 to 20.00) × | 10.00 × | 100 / 200 | 8 × | 12 × | reached |" in page
    assert "| 10.00 (10.00 to 80.00) s |" in page and "| aim |" in page
    assert "| none | not measured: b: no module named b |" in page


def test_the_benchmark_of_gpus_prints_each_job_when_it_ends_and_compares_accuracies(monkeypatch, capsys):
    printed = []

    def found(module: str, job: str, folder: Path, longest: float, **hidden: str) -> dict[str, Any]:
        printed.append(capsys.readouterr().out)
        if job == "digits":
            return {"figures": {"`extract`, s": 2.0}, "accuracy": [0.9 + 0.01 * len(hidden), 0.88, 0.92]}
        if hidden:
            raise subprocess.SubprocessError("too slow")
        return {"figures": {"`extract`, s": 3.0}, "accuracy": [0.9, 0.88, 0.92]}

    monkeypatch.setattr(gpu, "gpus", lambda: 1)
    monkeypatch.setattr(gpu, "fresh", found)
    monkeypatch.setattr(sys, "argv", ["gpu", "--images", "4"])
    gpu.main()
    assert printed[1] == "" and "| `extract`, s | 2.0 | 2.0 |" in printed[2]
    assert printed[2].strip().endswith(": equal within noise") and printed[3] == ""
    last = capsys.readouterr().out
    assert "on the cpu is not measured: too slow" in last and "| `extract`, s |  | 3.0 |" in last
    apart = {"gpu": {"figures": {}, "accuracy": [0.9, 0.88, 0.92]}, "cpu": {"figures": {}, "accuracy": [0.95, 0.94, 1]}}
    assert gpu.table("job", apart)[-2].endswith(": NOT equal within noise")


def test_the_benchmark_of_gpus_measures_on_the_gpu_that_the_user_chose(monkeypatch, capsys):
    seen = []

    def note(module: str, way: str, folder: Path, longest: float, **variables: str) -> None:
        seen.append({**os.environ, **variables}.get("CUDA_VISIBLE_DEVICES"))
        raise subprocess.SubprocessError("not run")

    monkeypatch.setattr(gpu, "gpus", lambda: 1)
    monkeypatch.setattr(gpu, "fresh", note)
    monkeypatch.setattr(sys, "argv", ["gpu", "--images", "4"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    gpu.main()
    assert seen == ["1", "-1", "1", "-1"] and capsys.readouterr().out.count("is not measured: not run") == 4


def test_the_photographs_for_gpus_have_classes(tmp_path):
    gpu.make_photographs(tmp_path, 8)
    assert [len(list(folder.glob("*.jpg"))) for folder in sorted(tmp_path.iterdir())] == [2, 2, 2, 2]


@pytest.mark.slow
def test_without_a_gpu_the_benchmark_of_gpus_ends_with_one_message():
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu"], cwd=ROOT, env=hidden, capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stderr.strip().endswith(gpu.NO_GPU)


@pytest.mark.thorough
def test_the_half_of_the_cpu_is_measured(tmp_path):
    gpu.make_photographs(tmp_path / "photos", 48)
    found = gpu.photographs(tmp_path)
    assert len(found["figures"]) == len(gpu.STAGES) + 1 and all(figure > 0 for figure in found["figures"].values())
    assert 0 <= found["accuracy"][1] <= found["accuracy"][0] <= found["accuracy"][2] <= 1


ENDLESS = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[3], "new").write_text(str(child.pid))
pathlib.Path(sys.argv[3], "new").rename(pathlib.Path(sys.argv[3], "child"))
time.sleep(600)
"""


def test_a_way_that_takes_too_long_ends_with_its_children(tmp_path, monkeypatch):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "harness.py").write_text(ENDLESS, encoding="utf-8")
    monkeypatch.setattr(harness, "ROOT", tmp_path)
    with pytest.raises(subprocess.TimeoutExpired):
        harness.fresh("module", "way", tmp_path, 3)
    child = int((tmp_path / "child").read_text())
    wait_for("end of the child", 30, [], lambda: has_ended(child))


def has_ended(process):
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.slow
def test_a_way_that_fails_is_noted(tmp_path):
    result = measure("reading", ("validate",), tmp_path / "nowhere", 1, 0)
    assert result.runs == {"validate": [{}]} and result.errors[0].startswith("validate: ")


@pytest.mark.thorough
def test_make_bench_measures_in_fresh_processes_and_writes_table_and_chart(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(f"before\n{BEGIN}old\n{END}after\n", encoding="utf-8")
    kept = {"group": "quick", "what": "kept", "errors": [], "ours": {}}
    (tmp_path / "latest.json").write_text(json.dumps({"date": "then", "rows": [{"group": "reading"}, kept]}))
    command = ["-m", "benchmarks.run", "--images", "20", "--rounds", "1", "--only", "reading", "--out", str(tmp_path)]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)
    figures = json.loads((tmp_path / "latest.json").read_text(encoding="utf-8"))
    assert figures["images"] == 20 and [row["errors"] for row in figures["rows"]] == [[], [], []]
    assert all(row["ratio"][0] > 0 and row["ours"]["memory_mb"] > 50 for row in figures["rows"][:2])
    assert figures["rows"][2] == {**kept, "date": "then"}
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "bare decoding" in text and "| kept (then) | not measured" in text
    with Image.open(tmp_path / "latest.png") as chart:
        assert chart.size[0] > 500
