"""The cases in ../shared/cases about layouts, tables and names: each script makes a dataset that a person brought."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from transferline import params
from transferline.datasets import add as adding
from transferline.datasets.add import add
from transferline.datasets.checks.validation import Validation, validate_dataset
from transferline.datasets.layout_proposal import inspect_folder
from transferline.errors import TransferlineError
from transferline.models.exported import ModelCard
from transferline.models.lite import Outputs
from transferline.params import Data, Validate, load_params
from transferline.params.layouts import gives_several_labels
from transferline.prediction.found_images import find_images
from transferline.problems.label_output import LabelPrediction

CASES = ROOT.parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="needs the scripts in ../shared/cases")


@pytest.fixture
def without_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "_dvc_add", lambda target, root: None)


def case(number: str, target: Path) -> Path:
    script = next(CASES.glob(f"{number}-*.py"))
    subprocess.run([sys.executable, script, target], cwd=ROOT, check=True)
    return target


def proposed(folder: Path) -> dict[str, Any]:
    layout = inspect_folder(folder).layout
    assert layout
    return layout.model_dump(exclude_none=True, exclude_unset=True)


def validated(folder: Path, validate: Validate | None = None) -> Validation:
    layout = inspect_folder(folder).layout
    assert layout
    problem = "multilabel" if gives_several_labels(layout) else "multiclass"
    data = {"dataset": "x", "problem": problem, "layout": layout.model_dump(mode="json")}
    return validate_dataset(folder, Data.model_validate_json(json.dumps(data)), validate or Validate())


def test_case_01_a_dvc_repository_is_refused(tmp_path: Path) -> None:
    source = case("01", tmp_path / "out")
    with pytest.raises(TransferlineError, match=r"it holds a DVC repository \(\.dvc/config\).*remove \.dvc from it"):
        add(str(source), "reg", tmp_path / "project", None)


@pytest.mark.slow
def test_case_04_the_layout_fits_the_whole_dataset(tmp_path: Path) -> None:
    out = case("04", tmp_path / "out")
    found = {folder.name: proposed(folder) for folder in sorted(out.iterdir())}
    split = {"kind": "split_class_folders"}
    table = {"kind": "csv"}
    assert found == {
        "sds": split | {"train": "training_set", "test": "test_set"},
        "intel": split | {"train": "seg_train/seg_train", "test": "seg_test/seg_test"},
        "images_masks": {"kind": "image_mask_folders", "images": "Images", "masks": "Masks"},
        "cassava": table
        | {"file": "train.csv", "path_column": "image_id", "folder": "train_images", "label_column": "label"},
        "breed": table
        | {"file": "labels.csv", "path_column": "id", "folder": "train", "suffix": ".png", "label_column": "breed"},
        "semi": table | {"file": "labels.csv", "path_column": "image", "label_column": "label"},
        "robo": table
        | {name: {"file": f"{folder}/_classes.csv", "folder": folder} for name, folder in SPLITS}
        | {"path_column": "filename", "label_columns": ("cat", "dog")},
    }
    few = Validate(min_images=2)  # robo has four of each class
    for name in ("sds", "intel", "cassava", "breed", "semi", "robo"):
        assert not validated(out / name, few).reasons, name


SPLITS = (("train", "train"), ("validation", "valid"), ("test", "test"))


def test_case_05_blanks_behind_labels_are_no_classes(tmp_path: Path) -> None:
    found = validated(case("05", tmp_path / "out"))
    assert found.table.classes == ("cat", "dog") and not found.reasons


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tree", "wanted"), [("folder", "train_images"), ("suffix", r"train and data\.layout\.suffix")]
)
def test_case_08_names_without_folder_or_suffix(tree: str, wanted: str, tmp_path: Path) -> None:
    folder = case("08", tmp_path / "out") / tree
    found = validated(folder)
    assert found.counts["kept"] == found.counts["images"] == 24 and not found.reasons
    layout = params.Csv.model_validate({name: value for name, value in proposed(folder).items() if name != "folder"})
    plain = layout.model_copy(update={"suffix": None})
    with pytest.raises(TransferlineError, match=rf"24 of 24 paths .* 24 images of the same name lie in .* to {wanted}"):
        validate_dataset(folder, Data(dataset="x", problem="multiclass", layout=plain), Validate())


class Constant:
    """A model that predicts the same for every image."""

    def outputs(self, images: Any) -> list[Outputs]:
        return [Outputs(np.float32([0.75, 0.25]), None)] * len(images)


def test_case_12_a_name_that_is_not_utf8_ends_no_command(tmp_path: Path) -> None:
    out = case("12", tmp_path / "out")
    size = params.Image(size=32, color="rgb", resize="stretch")
    card = ModelCard(candidate="mean", phase="head", problem="binary", classes=("a", "b"), image=size)
    model: Any = Constant()
    outputs = {"csv": tmp_path / "p.csv", "grid": tmp_path / "p.png"}
    found = LabelPrediction().predict(card, model, find_images([str(out)]), outputs, "m")
    with outputs["csv"].open(encoding="utf-8", newline="") as file:
        names = [Path(row["path"]).name for row in csv.DictReader(file)]
    assert names.count(r"caf\xe9.png") == 1 and len(names) == 7
    assert r"caf\xe9.png" in found.text and not found.errors
    found.text.encode("utf-8")
    json.dumps(found.rows, ensure_ascii=False).encode("utf-8")
    with pytest.raises(TransferlineError, match=r"names that are not UTF-8 \(a/caf\\xe9\.png\)"):
        add(str(out), "x", tmp_path / "project", None)


def test_case_13_all_commands_leave_out_the_same_files(tmp_path: Path) -> None:
    out = case("13", tmp_path / "out")
    paths = [path.relative_to(out).as_posix() for path in find_images([str(out)])]
    assert len(paths) == 14 and {"a/1.jfif", "a/2.pgm"} < set(paths)
    found = inspect_folder(out)
    assert sum(found.images.values()) == 14 and not found.others and found.hidden == 3
    validation = validated(out)
    assert validation.counts["images"] == 14 and validation.counts["hidden"] == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tree", "names"),
    [("forms", ("train/cafe\u0301", "test/caf\u00e9")), ("blank", ("cats ", "cats")), ("case", ("cats", "Cats"))],
)
def test_case_15_names_that_look_the_same_are_a_finding(tree: str, names: tuple[str, str], tmp_path: Path) -> None:
    found = [one for one in validated(case("15", tmp_path / "out") / tree).findings if one.rule == "similar_classes"]
    assert len(found) == 1
    folders = {os.fsencode(name) for name in (found[0].path, str(found[0].of))}
    swapped = {os.fsencode(name) for name in ("train/caf\u00e9", "test/cafe\u0301")}
    assert folders in ({os.fsencode(name) for name in names}, swapped)
    assert all(repr(name) in found[0].detail for name in (found[0].path, found[0].of))


@pytest.mark.parametrize("source", ["photos.zip", "folder"])
def test_case_16_the_inner_folder_is_taken(
    source: str, tmp_path: Path, without_dvc: None, capsys: pytest.CaptureFixture[str]
) -> None:
    found = add(str(case("16", tmp_path / "out") / source), "z", tmp_path / "project", None)
    assert found.classes == {"": {"a": 6, "b": 6}}
    assert "photos is the only folder: taking its content" in capsys.readouterr().out


@pytest.mark.slow
def test_case_18_each_of_many_small_classes_is_in_every_split(tmp_path: Path) -> None:
    """About 6 of the 40 images of a class in validation and in test; test_stratified.py has 20 seeds."""
    rules = load_params(ROOT / "recipes" / "digits.yaml").validate_
    layout = {"kind": "class_folders"}
    data = {"dataset": "many", "problem": "multiclass", "layout": layout, "split": {"validation": 0.15}}
    found = validate_dataset(case("18", tmp_path / "out"), Data.model_validate(data), rules)
    assert not found.reasons, "few images of a class in validation or test are a warning"
    rows = found.table.rows
    counts = rows[rows["kept"]].groupby(["split", "label"]).size().unstack(0, fill_value=0)
    assert len(counts) == 100
    for split in ("validation", "test"):
        assert (counts[split] >= 5).mean() >= 0.88 and ((counts[split] - 6).abs() <= 1).mean() >= 0.85, split


def test_case_19_a_date_as_dataset_is_one_message(tmp_path: Path) -> None:
    recipe = case("19", tmp_path / "day.yaml")
    with pytest.raises(TransferlineError, match=r"string \(got 2024-11-05\); put it in quotes"):
        load_params(recipe)
