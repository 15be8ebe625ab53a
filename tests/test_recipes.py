"""Every recipe, as `use` writes it, on a tiny dataset with its layout. DVC runs all stages up to the leaderboard.

The test changes some params: a small dataset, random weights instead of downloaded ones, one epoch, few views, and the
smallest images that the layers accept. `test_describe.py` builds the recipes at their true sizes.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT, edit_yaml, make_images, make_multilabel, run
from tests.tiny_masks import make_segmented
from transferline.params import load_params
from transferline.params.write import complete_text

RECIPES = sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml") if path.stem != "digits")
SMALLEST = {"alexnet": 108, "inception_v3": 75, "mobilenet_v2": 129}  # pixels a side; the other candidates take 32


def make_short(params: Any, candidates: int | None) -> None:
    for name in list(params["candidates"])[candidates or len(params["candidates"]) :]:
        del params["candidates"][name]
    params["data"]["dataset"] = "tiny"  # the public sets are outputs of data/dvc.yaml
    params["validate"].update(near_duplicate_bits=0, min_images=1)
    params["augment"]["views"] = 1
    params["evaluate"].update(bootstrap=100, gallery=6)
    if params["evaluate"]["robustness"]:
        params["evaluate"]["robustness"]["images"] = 2
    for name, candidate in params["candidates"].items():
        candidate["image"]["size"] = min(candidate["image"]["size"], SMALLEST.get(name, 32))
        if candidate["backbone"] and candidate["backbone"]["name"] != "efficientnet_lite0":
            candidate["backbone"]["weights"] = "none"
        for stage in ("train_head", "fine_tune", "train"):
            if "epochs" in (candidate[stage] or {}):
                candidate[stage].update(epochs=1, batch_size=8)
                candidate[stage]["schedule"].pop("warmup_epochs", None)
        if candidate["kind"] == "deeplab_v3_plus":
            candidate["image"]["size"] = 32
            candidate["train"]["frozen_epochs"] = 1


def make_dataset(raw: Path, data: Any) -> None:
    """A few images in the recipe's layout."""
    layout = data["layout"]
    if data["masks"]:
        make_segmented(raw, layout, 24, data["masks"]["void"], len(data["masks"]["classes"]))
    elif layout["kind"] == "csv":
        make_multilabel(raw, "csv", count=24)
        table = pd.read_csv(raw / layout["file"])
        table.columns = pd.Index([layout["path_column"], *layout["label_columns"][:3]])
        table.assign(**{layout["label_columns"][3]: table.index % 2}).to_csv(raw / layout["file"], index=False)
    elif layout["kind"] == "voc":
        make_multilabel(raw, "voc", count=24)
        for split, numbers in {"train": range(16), "test": range(16, 24)}.items():
            names = raw / "ImageSets" / f"{layout[split]}.txt"
            names.parent.mkdir(parents=True, exist_ok=True)
            names.write_text("".join(f"{number:05}\n" for number in numbers))
    elif layout["kind"] == "class_folders":
        make_images(raw, count=12)
    else:
        for split, count in {"train": 16, "test": 4}.items():
            make_images(raw / layout[split], {"00000": (40, 60, 200), "00001": (200, 50 + count, 40)}, count)


# in `make test` one network for masks: the trained project that other tests share has one label for each image
ROWS = [pytest.param("camvid", 1, marks=pytest.mark.slow)]
ROWS += [pytest.param(recipe, None, marks=[pytest.mark.thorough, pytest.mark.timeout(1800)]) for recipe in RECIPES]


@pytest.mark.parametrize(("recipe", "candidates"), ROWS)
def test_a_recipe_runs_to_the_leaderboard(recipe: str, candidates: int | None, project: Path):
    complete = complete_text(load_params(ROOT / "recipes" / f"{recipe}.yaml"))
    (project / "params.yaml").write_text(complete, encoding="utf-8")
    edit_yaml(project / "params.yaml", lambda tree: make_short(tree, candidates))
    params = YAML(typ="safe", pure=True).load(project / "params.yaml")
    raw = project / "data" / "raw" / "tiny"
    make_dataset(raw, params["data"])
    for command in (["add", "-q", raw], ["repro"]):
        run("dvc", *command, cwd=project)

    metrics = json.loads((project / "metrics.json").read_text(encoding="utf-8"))
    assert set(metrics["candidates"]) == set(params["candidates"])
    metric = params["select"]["metric"]
    assert 0 <= metrics["selected"]["validation"][metric] <= 1
    page = (project / "reports" / "leaderboard.md").read_text(encoding="utf-8")
    for name, candidate in params["candidates"].items():
        phases = {"train_head": "head", "fine_tune": "fine_tune", "train": "train"}
        trained = {phase for stage, phase in phases.items() if candidate[stage]}
        assert set(metrics["candidates"][name]) == trained and f"| {name} |" in page
