"""Corrections of datasets with splits, several labels or masks."""

import shutil
from pathlib import Path

import pytest

from tests import test_multilabel_data as multilabel
from tests.conftest import make_multilabel
from tests.test_corrections import NOTHING, labels, splits, write
from tests.test_masks import VALIDATE, data_of
from tests.test_validate import SPLIT_FOLDERS, found, kept, make_raw, picture, run, save
from tests.tiny_masks import FOLDERS, make_segmented
from transferline.datasets.checks.validation import validate_dataset
from transferline.errors import TransferlineError


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return make_raw(tmp_path / "raw")


def test_never_test_moves_the_group_from_test_to_validation_and_nothing_else(raw: Path) -> None:
    group = {"data__split__group": r"^(cat/\d)", "validate__rules__few_images": "warn"}
    _, before = run(raw, **group)
    tested = [path for path, split in splits(before).items() if split == "test"]
    groups = dict(zip(before.rows["path"], before.rows["group"], strict=True))
    image = next(path for path in tested if list(groups.values()).count(groups[path]) > 1)
    trained = next(path for path, split in splits(before).items() if split == "train")
    together = {path for path in groups if groups[path] == groups[image]}
    write(raw, *(f"{path},{path[:3]},Ann,,shown before,yes" for path in (image, trained)))
    report, after = run(raw, **group)
    moved = {path for path in groups if splits(before)[path] != splits(after)[path]}
    assert moved == together and {splits(after)[path] for path in moved} == {"validation"}
    assert report["counts"]["corrections"] == {**NOTHING, "kept_out_of_test": len(together)}
    assert {change["path"] for change in report["corrections"]} == together
    first = report["corrections"][0]
    assert (first["from"], first["to"], first["why"]) == ("test", "validation", "shown before")


def test_never_test_holds_for_given_splits_and_for_all_files_of_that_content(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for index in range(50):
        folder = raw / ("TRAIN" if index < 40 else "TEST") / ("cat", "dog")[index % 2]
        save(folder / f"{index}.png", picture(index))
    shutil.copy(raw / "TEST/cat/40.png", raw / "TEST/cat/copy.png")
    write(raw, "TEST/cat/40.png,cat,,,,1", "TEST/dog/41.png,cat,,,,", "TRAIN/cat/0.png,cat,,,,TRUE")
    report, table = run(raw, data__layout=SPLIT_FOLDERS)
    where = splits(table)
    assert where["TEST/cat/40.png"] == where["TEST/cat/copy.png"] == "validation"
    assert where["TEST/dog/41.png"] == where["TEST/dog/43.png"] == "test" and labels(table)["TEST/dog/41.png"] == "cat"
    assert found(report) == [("TEST/cat/copy.png", "duplicate", "quarantine")]


def test_several_labels_are_corrected_in_any_order(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    layout = make_multilabel(raw, "csv")
    write(raw, "JPEGImages/00000.png,red | blue,,,,", "JPEGImages/00007.png,|,,,,", "JPEGImages/00001.png,,,,,")
    report, table = multilabel.run(raw, layout)
    assert labels(table)["JPEGImages/00000.png"] == "blue|red" and labels(table)["JPEGImages/00007.png"] == ""
    assert report["counts"]["classes"] == multilabel.by_class(table) and len(kept(table)) == 119
    write(raw, "JPEGImages/00000.png,red|blu|white,,,,")
    with pytest.raises(
        TransferlineError, match=r"'blu' is not a class of this dataset; is blue meant.*'white' is not a class"
    ):
        multilabel.run(raw, layout)


def test_of_masks_an_image_can_only_be_left_out(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    make_segmented(raw, FOLDERS, 24)
    (raw / "masks/01.png").write_bytes(b"no picture")
    write(raw, "images/01.png,,,,bad mask,")
    data, file = data_of(FOLDERS), tmp_path / "digits.csv"
    validation = validate_dataset(raw, data, VALIDATE, corrections=file)
    rows = validation.table.rows.set_index("path")
    assert not rows["kept"]["images/01.png"] and rows["kept"].sum() == 23
    assert [finding.rule for finding in validation.findings if finding.rule != "few_images"] == ["excluded"]
    write(raw, "images/02.png,sky,,,,")
    with pytest.raises(TransferlineError, match="row 2, label: 'sky': a mask cannot be corrected here"):
        validate_dataset(raw, data, VALIDATE, corrections=file)
