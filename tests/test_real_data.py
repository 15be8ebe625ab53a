"""Validation of real photographs with known faults."""

import json
from pathlib import Path
from typing import Any

import pytest

from transferline.datasets.checks.validation import Validation, validate_dataset
from transferline.params import Data, Params, load_params

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="needs the photographs in ../shared/data")


def params() -> Params:
    return load_params(ROOT / "recipes" / "digits.yaml")


def validated(name: str, layout: dict[str, Any], group: str | None = None, problem: str = "multiclass") -> Validation:
    split = {"validation": 0.15, "test": 0.15, "group": group}
    data = {"dataset": name, "problem": problem, "layout": layout, "split": split}
    return validate_dataset(DATA / name, Data.model_validate_json(json.dumps(data)), params().validate_)


def given(train: str, test: str) -> dict[str, Any]:
    return {"kind": "split_class_folders", "train": train, "validation": None, "test": test}


def findings(validation: Validation, *ignored: str) -> list[tuple[str, str]]:
    return [(finding.path, finding.rule) for finding in validation.findings if finding.rule not in ignored]


README = ("SOURCE.md", "not_an_image")


def test_traffic_signs_have_two_empty_files_and_a_dark_track() -> None:
    validation = validated("gtsrb", given("Training", "Testing"), r"^([^/]+/[^/]+/\d+)_")
    empty = [("Training/7/00026_00023.ppm", "empty_file"), ("Training/33/00015_00004.ppm", "empty_file")]
    assert findings(validation, "few_images", "blank") == [README, *empty]
    blank = [finding.path for finding in validation.findings if finding.rule == "blank"]
    assert sum(path.startswith("Training/19/00004_") for path in blank) == 7
    assert validation.counts["kept"] == 1505 and validation.table.classes == tuple(map(str, range(43)))
    rows = validation.table.rows
    assert (rows[rows["kept"]].groupby("group")["split"].nunique() == 1).all()


def test_rubbish_has_three_pairs_under_two_labels() -> None:
    pairs = [("glass/glass115", "metal/metal91"), ("glass/glass176", "plastic/plastic152")]
    pairs.append(("glass/glass389", "plastic/plastic332"))
    validation = validated("trashnet", {"kind": "class_folders"})
    conflicts = {(f"{path}.jpg", "label_conflict") for pair in pairs for path in pair}
    assert set(findings(validation)) == {README, *conflicts} and validation.reasons == ()
    of = {finding.path: finding.of for finding in validation.findings}
    assert all(
        of[f"{first}.jpg"] == f"{second}.jpg" and of[f"{second}.jpg"] == f"{first}.jpg" for first, second in pairs
    )


def test_steel_has_one_duplicate() -> None:
    validation = validated("neu_surface", given("train", "test"))
    assert findings(validation) == [README, ("train/patches/patches_105.jpg", "duplicate")]
    assert validation.findings[1].of == "train/patches/patches_101.jpg" and validation.reasons == ()


def test_cats_and_dogs_are_clean() -> None:
    validation = validated("cats_dogs", given("train", "validation"))
    assert findings(validation) == [README] and validation.counts["kept"] == 1000


def test_the_one_pair_of_cats_that_look_alike_is_found_and_no_other() -> None:
    """With splits of our own that pair can fall on two sides; here its hashes are compared directly."""
    rows = validated("cats_dogs", given("train", "validation")).table.rows.dropna(subset="phash")
    numbers = {path: int(phash, 16) for path, phash in zip(rows["path"], rows["phash"], strict=True)}
    cats = sorted(path for path in numbers if path.startswith("validation/cats/"))
    limit = params().validate_.near_duplicate_bits
    alike = [
        (a, b) for i, a in enumerate(cats) for b in cats[i + 1 :] if (numbers[a] ^ numbers[b]).bit_count() <= limit
    ]
    assert alike == [("validation/cats/cat.4126.jpg", "validation/cats/cat.4575.jpg")]


STREET = (
    "bicyclist",
    "building",
    "car",
    "fence",
    "pavement",
    "pedestrian",
    "pole",
    "road",
    "sign_symbol",
    "sky",
    "tree",
)


@pytest.mark.parametrize(("split_column", "sizes"), [("split", [250, 100, 150]), (None, [350, 75, 75])])
def test_street_scenes_have_many_labels_and_masks_that_are_no_images(
    split_column: str | None, sizes: list[int]
) -> None:
    table = {"kind": "csv", "file": "multilabel.csv", "path_column": "image", "label_columns": list(STREET)}
    validation = validated("camvid", {**table, "split_column": split_column}, problem="multilabel")
    rows = validation.table.rows.dropna(subset="split")
    assert validation.table.classes == STREET and validation.counts["rules"]["unlabelled"] == 500
    labels = rows["label"].str.split("|").explode().value_counts()
    assert (labels["road"], labels["fence"], labels["bicyclist"]) == (500, 266, 207)
    dealt = rows["split"].value_counts()[["train", "validation", "test"]]
    assert (dealt - sizes).abs().max() <= (0 if split_column else 3)
    if not split_column:
        common = rows[rows["label"] == "|".join(STREET)]["split"].value_counts()
        assert common["test"] == common["validation"] == 17 and common["train"] == 81
