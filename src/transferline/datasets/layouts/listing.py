"""Finds the files of a dataset, and reads label and split off its layout."""

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import get_args

import pandas as pd

from transferline.datasets.layouts.csv_table import read_csv_layout
from transferline.datasets.layouts.mask_folders import read_mask_folders
from transferline.datasets.layouts.voc import DESCRIBING, MASKS, read_voc_layout
from transferline.datasets.tables import natural
from transferline.errors import TransferlineError
from transferline.params import ClassFolders, Csv, ImageMaskFolders, Layout, Split, SplitClassFolders, Voc

HIDDEN = re.compile(r"(^|/)(\.|__MACOSX(/|$))")


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


def list_dataset(raw: Path, layout: Layout) -> Listing:
    """Lists the files below `raw` with their labels; opens none but those that describe the images.

    Raises:
        TransferlineError: there is no such folder, a split's folder is missing, or what describes the images is wrong.
    """
    if not raw.is_dir():
        raise TransferlineError(
            f"{raw}: no such folder; fetch the dataset or add your own with `transferline data add`"
        )
    paths = _walk(raw)
    match layout:
        case Csv():
            rows = read_csv_layout(raw, layout)
            images = [path for path in paths if path != PurePosixPath(layout.file).as_posix()]
            return Listing(_table(images, rows), classes=layout.label_columns or ())
        case Voc():
            rows, classes = read_voc_layout(raw, paths, layout)
            images = [path for path in paths if path.partition("/")[0] not in DESCRIBING]
            table = _table(images, rows)
            if layout.labels == "masks":
                stems = table["path"].map(lambda path: PurePosixPath(path).stem)
                table["mask"] = (f"{MASKS}/" + stems + ".png").where(table["label"].notna())
            return Listing(table, classes=classes)
        case ImageMaskFolders():
            masks = read_mask_folders(raw, paths, layout, HIDDEN)
            images = [path for path in paths if not path.startswith(f"{layout.masks}/")]
            table = _table(images, dict.fromkeys(masks, ("", None)))
            return Listing(table.assign(mask=table["path"].map(masks)))
        case _:
            return _from_folders(raw, paths, layout)


def _from_folders(raw: Path, paths: list[str], layout: ClassFolders | SplitClassFolders) -> Listing:
    roots: dict[str, Split | None] = {"": None} if isinstance(layout, ClassFolders) else _split_folders(raw, layout)
    rows = {path: _class_and_split(path, roots) for path in paths}
    folders = [f"{root}{entry.name}" for root in roots for entry in (raw / root).iterdir() if entry.is_dir()]
    visible = sorted((folder for folder in folders if not HIDDEN.search(folder)), key=natural)
    return Listing(_table(paths, rows), folders=tuple(visible))


def _walk(raw: Path) -> list[str]:
    """All files, and what cannot be looked into: folders without permission and links to folders."""
    closed: list[OSError] = []
    found: list[str] = []
    for folder, inner, files in os.walk(raw, onerror=closed.append):
        links = [name for name in inner if Path(folder, name).is_symlink()]
        found += [f"{folder}/{name}" for name in [*files, *links]]
    found += [f"{raw}/{Path(error.filename).relative_to(raw)}" for error in closed]
    # a name that is no UTF-8 is spelled out, so that the file is reported as unreadable
    return [os.fsencode(path.removeprefix(f"{raw}/")).decode("utf-8", "backslashreplace") for path in found]


def _split_folders(raw: Path, layout: SplitClassFolders) -> dict[str, Split | None]:
    names = {name: split for split in get_args(Split) if (name := getattr(layout, split)) is not None}
    missing = [name for name in names if not (raw / name).is_dir()]
    if missing:
        there = ", ".join(sorted((entry.name for entry in raw.iterdir() if entry.is_dir()), key=natural))
        raise TransferlineError(
            f"{raw} has no folder {' and no folder '.join(missing)}; there are: {there or 'none'}. Name those of its "
            "splits in data.layout, or take {kind: class_folders} if they are classes"
        )
    return {f"{name}/": split for name, split in names.items()}


def _class_and_split(path: str, roots: dict[str, Split | None]) -> tuple[str | None, Split | None]:
    for root, split in roots.items():
        label, slash, _ = path.removeprefix(root).partition("/")
        if path.startswith(root) and slash:
            return label, split
    return None, None


def _table(paths: list[str], rows: dict[str, tuple[str | None, Split | None]]) -> pd.DataFrame:
    """A row for each of `paths` and of those that `rows` names, also if there is no such file."""
    everything = sorted({*paths, *rows}, key=natural)
    table = [(path, *rows.get(path, (None, None))) for path in everything]
    return pd.DataFrame(table, columns=["path", "label", "given"], dtype=object)
