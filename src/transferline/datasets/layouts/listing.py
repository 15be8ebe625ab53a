"""The files of a dataset with their labels: what each layout reads."""

import re
from dataclasses import dataclass

import pandas as pd

from transferline.datasets.tables import natural
from transferline.params import Split

HIDDEN = re.compile(r"(^|/)(\.|__MACOSX(/|$))")
# usual names of the splits, in small letters
SPLIT_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True)
class Listing:
    """The files of a dataset.

    Attributes:
        files: one row per file in natural order of the paths; `path` (relative, with slashes), `label` (as in
            `datasets/tables.py`) and `given`, the split that the dataset brings (both null where the layout says
            nothing about a file); of a layout with masks also `mask`, the path that the image's mask should have. Files
            that only describe the images are left out.
        folders: paths of the class folders, also of empty ones.
        classes: names of the classes that the layout declares, also of those that no image has.
    """

    files: pd.DataFrame
    folders: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


def listing_table(paths: list[str], rows: dict[str, tuple[str | None, Split | None]]) -> pd.DataFrame:
    """A row for each of `paths` and of those that `rows` names, also if there is no such file."""
    everything = sorted({*paths, *rows}, key=natural)
    table = [(path, *rows.get(path, (None, None))) for path in everything]
    return pd.DataFrame(table, columns=["path", "label", "given"], dtype=object)


def usual_splits(names: dict[str, str]) -> dict[str, str | None]:
    """The values of those `names` that are usual for splits; empty where none fits train or none the test set."""
    usual = {name.lower(): value for name, value in names.items()}
    train, validation, test = (
        next((usual[name] for name in SPLIT_NAMES[split] if name in usual), None)
        for split in ("train", "validation", "test")
    )
    if not train or not (test or validation):
        return {}
    return {"train": train, "validation": validation if test else None, "test": test or validation}
