"""The files of a dataset with their labels, which each layout returns."""

import re
from dataclasses import dataclass
from typing import get_args

import pandas as pd

from transferline.datasets.tables import natural
from transferline.params import Split

# The usual names of the splits, in lower case, and what people add to them, such as `train_images` or `seg_test`.
SPLIT_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
ADDED = (
    r"(?:[\W_\d]|imag(?:es?|ing)|im(?:gs?)?|pictures?|photos?|files?|data(?:set)?|sets?|seg|splits?|labels?|classes)*"
)
SPLIT_PATTERNS = {
    split: re.compile(f"{ADDED}(?:{'|'.join(sorted(names, key=len, reverse=True))}){ADDED}", re.IGNORECASE)
    for split, names in SPLIT_NAMES.items()
}


@dataclass(frozen=True)
class Listing:
    """The files of a dataset.

    Attributes:
        files: one row per file, in natural order of the paths. Columns: `path` (relative, with slashes), `label` (as in
            `datasets/tables.py`) and `given`, the split that the dataset defines; both are null for a file that the
            layout does not describe. Layouts with masks add `mask`, the expected path of the image's mask. Files that
            only describe images are left out.
        folders: paths of the class folders, also of empty ones.
        classes: names of the classes that the layout declares, also of classes without images.
    """

    files: pd.DataFrame
    folders: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


def listing_table(paths: list[str], rows: dict[str, tuple[str | None, Split | None]]) -> pd.DataFrame:
    """Returns a row for each of `paths` and for each path in `rows`, also if that file is missing."""
    everything = sorted({*paths, *rows}, key=natural)
    table = [(path, *rows.get(path, (None, None))) for path in everything]
    return pd.DataFrame(table, columns=["path", "label", "given"], dtype=object)


def split_of(name: str) -> Split | None:
    """Returns the split that a name means, such as train for `training_set`; None if it means none."""
    splits: tuple[Split, ...] = get_args(Split)
    return next((split for split in splits if SPLIT_PATTERNS[split].fullmatch(name.strip())), None)


def usual_splits(names: dict[str, str]) -> dict[str, str | None]:
    """Returns for each split the value of its usual name in `names`; validation is used as test if there is no test.

    Plain names, such as `train`, come before others, such as `train_images`. The result is empty if train is missing,
    or both test and validation are.
    """
    usual = {name.lower(): value for name, value in names.items()}
    for name, value in names.items():
        if split := split_of(name):
            usual.setdefault(split, value)
    train, validation, test = (
        next((usual[name] for name in SPLIT_NAMES[split] if name in usual), None) for split in get_args(Split)
    )
    if not train or not (test or validation):
        return {}
    return {"train": train, "validation": validation if test else None, "test": test or validation}
