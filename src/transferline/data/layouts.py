"""Finds the files of a dataset, and reads label and split off its layout."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import get_args

import pandas as pd

from transferline.errors import TransferlineError
from transferline.params import ClassFolders, Csv, Layout, Split, SplitClassFolders

HIDDEN = re.compile(r"(^|/)(\.|__MACOSX(/|$))")


@dataclass(frozen=True)
class Listing:
    """The files of a dataset.

    Attributes:
        files: one row per file in natural order of the paths; `path` (relative, with slashes), `label` and `given`,
            the split that the dataset brings (both null where the layout says nothing about a file).
        folders: paths of the class folders, also of empty ones.
    """

    files: pd.DataFrame
    folders: tuple[str, ...]


def natural(text: str) -> tuple[list[str | int], str]:
    """A sort key by which 2 comes before 10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", text)], text


def list_dataset(raw: Path, layout: Layout) -> Listing:
    """Lists the files below `raw` with their labels; opens none but the table of a `csv` layout.

    Raises:
        TransferlineError: there is no such folder, a split's folder is missing, or the table is wrong.
    """
    if not raw.is_dir():
        raise TransferlineError(
            f"{raw}: no such folder; fetch the dataset or add your own with `transferline data add`"
        )
    paths = _walk(raw)
    if isinstance(layout, Csv):
        return _from_table(raw, paths, layout)
    roots: dict[str, Split | None] = {"": None} if isinstance(layout, ClassFolders) else _split_folders(raw, layout)
    rows = [(path, *_class_and_split(path, roots)) for path in sorted(paths, key=natural)]
    folders = [f"{root}{entry.name}" for root in roots for entry in (raw / root).iterdir() if entry.is_dir()]
    visible = sorted((folder for folder in folders if not HIDDEN.search(folder)), key=natural)
    return Listing(_table(rows), tuple(visible))


def _walk(raw: Path) -> list[str]:
    """All files, and what cannot be looked into: folders without permission and links to folders."""
    closed: list[OSError] = []
    found: list[Path] = []
    for folder, inner, files in os.walk(raw, onerror=closed.append):
        links = [name for name in inner if Path(folder, name).is_symlink()]
        found += [Path(folder, name) for name in [*files, *links]]
    found += [Path(error.filename) for error in closed]
    # a name that is no UTF-8 is spelled out, so that the file is reported as unreadable
    return [os.fsencode(path.relative_to(raw)).decode("utf-8", "backslashreplace") for path in found]


def _split_folders(raw: Path, layout: SplitClassFolders) -> dict[str, Split | None]:
    names = {name: split for split in get_args(Split) if (name := getattr(layout, split)) is not None}
    missing = [name for name in names if not (raw / name).is_dir()]
    if missing:
        there = ", ".join(sorted((entry.name for entry in raw.iterdir() if entry.is_dir()), key=natural))
        raise TransferlineError(f"{raw} has no folder {' and no folder '.join(missing)}; there are: {there or 'none'}")
    return {f"{name}/": split for name, split in names.items()}


def _class_and_split(path: str, roots: dict[str, Split | None]) -> tuple[str | None, Split | None]:
    for root, split in roots.items():
        label, slash, _ = path.removeprefix(root).partition("/")
        if path.startswith(root) and slash:
            return label, split
    return None, None


def _table(rows: Iterable[tuple[str, str | None, str | None]]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["path", "label", "given"], dtype=object)


def _from_table(raw: Path, paths: list[str], layout: Csv) -> Listing:
    """The rows of the table, also those whose file is missing, and the files that it does not list."""
    table = _read_csv(raw / layout.file, layout)
    listed = [PurePosixPath(path).as_posix() for path in table[layout.path_column]]
    labels = [label or None for label in table[layout.label_column]]
    splits = list(table[layout.split_column]) if layout.split_column else [None] * len(listed)
    _check_rows(raw / layout.file, listed, splits)
    rows = dict(zip(listed, zip(labels, splits, strict=True), strict=True))
    everything = {*listed, *paths} - {PurePosixPath(layout.file).as_posix()}
    return Listing(_table((path, *rows.get(path, (None, None))) for path in sorted(everything, key=natural)), ())


def _read_csv(file: Path, layout: Csv) -> pd.DataFrame:
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise TransferlineError(f"{file} cannot be read as a table: {error}") from error
    wanted = [layout.path_column, layout.label_column, *([layout.split_column] if layout.split_column else [])]
    missing = [column for column in wanted if column not in table]
    if missing:
        raise TransferlineError(
            f"{file} has no column {', '.join(missing)}; its columns are {', '.join(map(str, table.columns))}"
        )
    return table


def _check_rows(file: Path, paths: list[str], splits: list[str | None]) -> None:
    faults: dict[str, Sequence[str | None]] = {
        "paths that leave the dataset's folder": [p for p in paths if p.startswith("/") or ".." in p.split("/")],
        "paths that are listed more than once": pd.Series(paths, dtype=object)[pd.Series(paths).duplicated()].tolist(),
        "splits other than train, validation and test": [s for s in splits if s not in (None, *get_args(Split))],
    }
    found = [f"{what}: {', '.join(map(repr, values[:10]))}" for what, values in faults.items() if values]
    if found:
        raise TransferlineError("\n  ".join([f"{file}:", *found]))
