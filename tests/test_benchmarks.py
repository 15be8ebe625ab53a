import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.accuracy import WAYS, summary
from benchmarks.harness import Limit, Result, Row, line_of, measure
from benchmarks.memory import write_params
from benchmarks.run import BEGIN, END, accuracy, table
from transferline.params import load_params

ROOT = Path(__file__).parents[1]


def seconds(wall: float) -> dict[str, float]:
    return {"wall": wall, "cpu": wall / 2}


def test_the_benchmark_of_memory_writes_params_that_are_right(tmp_path: Path):
    write_params(tmp_path)
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
        "date": "d", "images": 1, "photographs": "made", "minutes": 1, "rows": [line, limit, missing], "accuracy": {},
    }  # fmt: skip
    page = table(figures)
    assert "| 10.00 (5.00 to 20.00) × | 10.00 × | 100 / 200 | 8 × | 12 × | reached |" in page
    assert "| 10.00 (10.00 to 80.00) s |" in page and "| aim |" in page
    assert "| none | not measured: b: no module named b |" in page


def test_the_gain_in_accuracy_has_an_interval():
    runs = {way: [{"head": 0.9, "fine_tune": value} for value in (0.9, 0.92)] for way in WAYS}
    runs["theirs"] = [{"head": 0.89, "fine_tune": 0.9}] * 2
    found = summary(runs)
    assert found["head"]["gain"]["ours"] == pytest.approx([1, 0])
    assert "| set, head, 2 seeds | 0.890 | 0.900 | +1.0 | 0.900 | +1.0 |" in accuracy({"set": {"seeds": 2, **found}})
    mean, half = found["fine_tune"]["gain"]["ours"]
    assert mean == pytest.approx(1) and half == pytest.approx(12.71, rel=1e-3)


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
