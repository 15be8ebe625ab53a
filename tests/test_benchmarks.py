import json
import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image

from benchmarks import accuracy, gpu, harness
from benchmarks.accuracy_sets import lay_out
from benchmarks.accuracy_ways import adjust, adjust_masks
from benchmarks.harness import Limit, Result, Row, line_of, measure
from benchmarks.memory import write_params as write_params_of_memory
from benchmarks.run import BEGIN, END, table
from transferline.git_and_dvc import git
from transferline.params import load_params
from transferline.params.load import parse_params
from transferline.use_recipe import write_params
from transferline.yaml_text import parse_yaml

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


def run_of(way: str, seed: int, metric: float) -> dict[str, Any]:
    return {"set": "trashnet", "way": way, "seed": seed, "metric": metric, "cpu": 10.0 + seed}


def test_the_table_of_accuracy_has_means_intervals_and_the_gain_over_common_seeds():
    runs = [run_of("before", 0, 0.7), run_of("before", 1, 0.8), run_of("default", 1, 0.82), run_of("default", 0, 0.74)]
    text = accuracy.table(runs)
    half = 12.706 * 0.1 / 2
    assert f"| trashnet | 0.750 ± {half:.3f} (2) | 10 | 0.780 ± {0.8 * half:.3f} (2) | 10 | +3.0 ± 12.7 |" in text
    assert "notebook" not in text and "gtsrb" not in text
    assert "| 0.700 (1) | 10 | 0.740 (1) | 10 | +4.0 |" in accuracy.table([runs[0], runs[3]])


def test_the_table_of_accuracy_pairs_the_ways_over_common_seeds():
    runs = [run_of("notebook", 1, 0.7), run_of("notebook", 2, 0.72), run_of("tune", 2, 0.83), run_of("tune", 3, 0.1)]
    runs += [run_of("default", seed, 0.8) for seed in (0, 1, 2)]
    head, _, row, *_ = accuracy.table(runs).splitlines()
    assert head.endswith("| photos − notebook, points | tune − photos, points |")
    assert row.endswith(f"| +9.0 ± {12.706:.1f} | +3.0 |")


def test_a_run_of_accuracy_has_the_commit_and_whether_the_code_has_changed(tmp_path):
    assert accuracy.commit(tmp_path) is None
    for path in ("code.py", "benchmarks/accuracy.json"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("1", encoding="utf-8")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=n", "-c", "user.email=e@e", "commit", "-qm", "first")
    head = git(tmp_path, "rev-parse", "--short", "HEAD").strip()
    (tmp_path / "benchmarks" / "accuracy.json").write_text("2", encoding="utf-8")
    (tmp_path / "new.py").touch()
    assert accuracy.commit(tmp_path) == head
    (tmp_path / "code.py").write_text("2", encoding="utf-8")
    assert accuracy.commit(tmp_path) == f"{head}+"


def test_the_table_of_accuracy_is_written_between_its_marks(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(f"before\n{accuracy.BEGIN}old\n{accuracy.END}after\n", encoding="utf-8")
    accuracy.write_table([run_of("notebook", 0, 0.5)], page)
    text = page.read_text(encoding="utf-8")
    assert (
        text.startswith("before\n") and text.endswith("after\n") and "old" not in text and "| 0.500 (1) | 10 |" in text
    )


def test_the_sets_of_accuracy_have_their_splits_for_each_seed(tmp_path):
    """Signs of three tracks a class; the same bytes occur twice in one of them."""
    random = np.random.default_rng(0)
    for split, tracks in (("Training", range(6)), ("Testing", [9])):
        for label, track, frame in product("ab", tracks, range(2)):
            path = tmp_path / "shared" / "gtsrb" / split / label / f"{track:05}_{frame:05}.ppm"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, (9, 9, 3), np.uint8)).save(path)
    shutil.copy(path, path.with_name("00009_00002.ppm"))
    tables = []
    for seed in (0, 1, 0):
        lay_out("gtsrb", seed, tmp_path / "laid_out", tmp_path / "shared")
        tables.append(pd.read_csv(tmp_path / "laid_out" / "photos" / "labels.csv"))
    assert tables[0].equals(tables[2]) and not tables[0].equals(tables[1])
    table = tables[0]
    track = table["image"].str.extract(r"(.+/\d+)_")[0]
    assert (table.groupby(track)["split"].nunique() == 1).all()
    assert table["split"].value_counts().to_dict() == {"train": 20, "validation": 4, "test": 3}
    assert all((tmp_path / "laid_out" / "photos" / path).suffix == ".png" for path in table["image"])


@pytest.mark.parametrize("problem", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("recipe", [ROOT / "benchmarks" / "photos_before.yaml", ROOT / "recipes" / "photos.yaml"])
def test_the_recipes_that_are_compared_are_right_for_each_kind_of_problem(tmp_path, recipe, problem):
    layout = {"kind": "csv", "file": "f", "path_column": "a", "label_column": "b"}
    data = {
        "dataset": "d",
        "problem": problem,
        "layout": layout | ({"separator": "|"} if problem == "multilabel" else {}),
    }
    tree = parse_yaml(recipe.read_text(encoding="utf-8"), recipe) | {"data": data}
    write_params(parse_params(json.dumps(tree), recipe), tmp_path, force=True)
    adjust(tmp_path, {"problem": problem, "group": r"^(.+/\d+)_", "seed": 3})
    params = load_params(tmp_path / "params.yaml")
    assert params.data.problem == problem and params.seed == params.augment.seed == 3
    assert params.validate_.rules.near_duplicate == "warn" and params.validate_.rules.undecodable == "quarantine"


def test_the_set_with_masks_is_copied_and_trained_by_the_recipe_of_its_masks(tmp_path):
    mask = tmp_path / "shared" / "camvid" / "SegmentationClass" / "a.png"
    mask.parent.mkdir(parents=True)
    mask.write_bytes(b"mask")
    lay_out("camvid_masks", 3, tmp_path, tmp_path / "shared")
    assert (tmp_path / "photos" / "SegmentationClass" / "a.png").read_bytes() == b"mask"
    write_params(load_params(ROOT / "recipes" / "camvid.yaml"), tmp_path, force=True)
    adjust_masks(tmp_path, json.loads((tmp_path / "settings.json").read_text()))
    params = load_params(tmp_path / "params.yaml")
    assert params.data.problem == "segmentation" and params.seed == params.augment.seed == 3
    assert set(params.candidates) == {"lite0"}


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
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


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
