"""The datasets of `benchmarks.accuracy`: for each seed the same images, labels and splits for all ways."""

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.harness import ROOT
from transferline.datasets.file_formats import IMAGE_SUFFIXES

DATA = ROOT.parent / "shared" / "data"
PHOTOS, TABLE, SETTINGS = "photos", "labels.csv", "settings.json"
VALIDATION_PARTS = 6  # one of them validates, the others train
TEST_PARTS, TESTED_PARTS = 10, 3  # of a dataset without a test split


@dataclass(frozen=True)
class Dataset:
    """A dataset in `../shared/data`.

    Attributes:
        problem: the kind of problem.
        folder: in `../shared/data`.
        train, test: folders of the splits; both are empty if the dataset has no splits.
        classes: the classes to take; empty for all.
        group: regular expression for paths, as `data.split.group`; images of a group share a split.
        table: the table of a multilabel dataset, with the columns image, split, and one for each class.
    """

    problem: str
    folder: str
    train: str = ""
    test: str = ""
    classes: tuple[str, ...] = ()
    group: str | None = None
    table: str | None = None


SETS = {
    "cats_dogs": Dataset("binary", "cats_dogs", "train", "validation"),
    "trashnet": Dataset("multiclass", "trashnet"),
    "neu_surface": Dataset("multiclass", "neu_surface", "train", "test"),
    "gtsrb": Dataset("multiclass", "gtsrb", "Training", "Testing", group=r"^(.+/\d+)_"),
    "camvid": Dataset("multilabel", "camvid", table="multilabel.csv"),
    "camvid_masks": Dataset("segmentation", "camvid"),
    "metal_glass": Dataset("binary", "trashnet", classes=("glass", "metal")),
}


def lay_out(name: str, seed: int, folder: Path, data: Path = DATA) -> None:
    """Writes `photos`, a folder with the images of a set and `labels.csv` (image, label, split), and `settings.json`.

    The seed decides what is not given: the test split, validation, and the seed of the training. Images that occur
    more than once, byte for byte, are left out. PPM files become PNG files, because Keras cannot read them. A dataset
    with masks is copied as it is.
    """
    dataset = SETS[name]
    if dataset.problem == "segmentation":
        shutil.copytree(data / dataset.folder, folder / PHOTOS)
    else:
        _copy_with_table(data / dataset.folder, dataset, seed, folder)
    settings = {"set": name, "problem": dataset.problem, "group": dataset.group, "seed": seed}
    (folder / SETTINGS).write_text(json.dumps(settings), encoding="utf-8")


def _copy_with_table(source: Path, dataset: Dataset, seed: int, folder: Path) -> None:
    rows = _table_rows(source, dataset) if dataset.table else _folder_rows(source, dataset)
    rows["hash"] = [hashlib.sha256((source / path).read_bytes()).hexdigest() for path in rows["source"]]
    rows = rows.drop_duplicates("hash", keep=False, ignore_index=True)
    rows["split"] = _splits(rows, dataset, seed)
    rows["image"] = [_copy(source, path, folder / PHOTOS) for path in rows["source"]]
    rows[["image", "label", "split"]].to_csv(folder / PHOTOS / TABLE, index=False)


def _folder_rows(source: Path, dataset: Dataset) -> pd.DataFrame:
    """The images in folders of classes: source, label, split (empty if it is not given)."""
    rows: list[dict[str, Any]] = []
    splits = {dataset.train: "train", dataset.test: "test"} if dataset.train else {"": ""}
    for folder, split in splits.items():
        for path in sorted((source / folder).glob("*/*")):
            label = path.parent.name
            if path.suffix.lower() in IMAGE_SUFFIXES and label in (dataset.classes or [label]):
                rows.append({"source": str(path.relative_to(source)), "label": label, "split": split})
    return pd.DataFrame(rows)


def _table_rows(source: Path, dataset: Dataset) -> pd.DataFrame:
    """The images of a table with a column for each class; their labels are joined by |."""
    table = pd.read_csv(source / str(dataset.table))
    classes = table.columns.difference(["image", "split"], sort=False)
    labels = ["|".join(classes[row.astype(bool)]) for row in table[classes].to_numpy()]
    splits = table["split"].replace({"val": "validation"})
    return pd.DataFrame({"source": table["image"], "label": labels, "split": splits})


def _splits(rows: pd.DataFrame, dataset: Dataset, seed: int) -> pd.Series:
    """The split of each row: given, or dealt by the seed, stratified by label; a group never straddles two splits."""
    splits = rows["split"].copy()
    groups = rows["source"].str.extract(dataset.group)[0] if dataset.group else rows["source"]
    if not splits.any():
        splits[_dealt(rows.index, rows, groups, seed, TEST_PARTS, TESTED_PARTS)] = "test"
        splits[splits == ""] = "train"
    if not (splits == "validation").any():
        splits[_dealt(rows.index[splits == "train"], rows, groups, seed, VALIDATION_PARTS, 1)] = "validation"
    return splits


def _dealt(index: pd.Index, rows: pd.DataFrame, groups: pd.Series, seed: int, parts: int, taken: int) -> list[int]:
    """The rows in `taken` of `parts` parts of the rows of an index."""
    folds: Iterable[Any] = StratifiedGroupKFold(parts, shuffle=True, random_state=seed).split(
        index, rows["label"][index], groups[index]
    )
    return [int(number) for _, (_, chosen) in zip(range(taken), folds, strict=False) for number in index[chosen]]


def _copy(source: Path, path: str, folder: Path) -> str:
    """Copies an image and returns its path in `folder`."""
    target = Path("images") / path
    (folder / target).parent.mkdir(parents=True, exist_ok=True)
    if target.suffix.lower() == ".ppm":
        target = target.with_suffix(".png")
        Image.open(source / path).save(folder / target)
    else:
        (folder / target).write_bytes((source / path).read_bytes())
    return str(target)
