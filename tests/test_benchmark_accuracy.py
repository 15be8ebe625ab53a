"""The benchmark of accuracies: its sets, its recipes and its table."""

import json
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks import accuracy
from benchmarks.accuracy_sets import lay_out
from benchmarks.accuracy_ways import adjust, adjust_masks
from transferline.git_and_dvc import git
from transferline.params import load_params
from transferline.params.load import parse_params
from transferline.use_recipe import write_params
from transferline.yaml_text import parse_yaml

ROOT = Path(__file__).parents[1]


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
