"""The layout `csv`: a table with one row per image."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from transferline.datasets.layouts.listing import SPLIT_NAMES, Listing, listing_table
from transferline.datasets.tables import SEPARATOR, join_labels, join_names, natural
from transferline.errors import TransferlineError
from transferline.params import Csv
from transferline.text import first_of

LABEL_COLUMNS = ("label", "class", "class_name", "category", "target")
SPLIT_COLUMNS = ("split", "subset", "set")
SPLITS = {name: split for split, names in SPLIT_NAMES.items() for name in names}
SHOWN = 10  # values in a message


def read_csv(raw: Path, paths: list[str], layout: Csv) -> Listing:
    """Lists the files with the label and split from the table; both are null for a file that the table does not list.

    Raises:
        TransferlineError: the table cannot be read, or columns or rows are wrong. The message names all faulty rows.
    """
    file = raw / layout.file
    table = _read(file, layout)
    listed = [PurePosixPath(path).as_posix() for path in table[layout.path_column]]
    splits = list(table[layout.split_column]) if layout.split_column else []
    _check_rows(file, table, listed, splits, layout)
    given = [SPLITS[split.lower()] for split in splits] if layout.split_column else [None] * len(listed)
    rows = dict(zip(listed, zip(_labels(table, layout), given, strict=True), strict=True))
    images = [path for path in paths if path != PurePosixPath(layout.file).as_posix()]
    return Listing(listing_table(images, rows), classes=layout.label_columns or ())


def _read(file: Path, layout: Csv) -> pd.DataFrame:
    if not file.is_file():
        there = ", ".join(sorted(path.name for path in file.parent.glob("*.csv"))) or "none"
        raise TransferlineError(f"{file}: no such table; data.layout.file must name one (there are: {there})")
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise TransferlineError(f"{file} cannot be read as a table: {error}") from error
    single = (layout.path_column, layout.label_column, layout.split_column)
    wanted = [*filter(None, single), *(layout.label_columns or ())]
    missing = [column for column in wanted if column not in table]
    if missing:
        raise TransferlineError(
            f"{file} has no column {', '.join(missing)}; its columns are {', '.join(map(str, table.columns))}"
        )
    return table


def _labels(table: pd.DataFrame, layout: Csv) -> list[str | None]:
    if layout.label_columns:
        classes = sorted(layout.label_columns, key=natural)
        return list(join_labels((table[classes] == "1").to_numpy(), classes))
    cells = table[layout.label_column]
    if layout.separator is None:
        return [cell or None for cell in cells]
    return [join_names(_names(cell, layout.separator)) for cell in cells]


def _classes(table: pd.DataFrame, layout: Csv) -> list[str]:
    """Returns the classes of a multilabel problem."""
    if layout.separator is None:
        return list(layout.label_columns or ())
    return sorted({name for cell in table[layout.label_column] for name in _names(cell, layout.separator)})


def _names(cell: str, separator: str) -> set[str]:
    return {name.strip() for name in cell.split(separator)} - {""}


def _check_rows(file: Path, table: pd.DataFrame, paths: list[str], splits: list[str], layout: Csv) -> None:
    faults: dict[str, Sequence[str]] = {
        "paths that leave the dataset's folder": [p for p in paths if p.startswith("/") or ".." in p.split("/")],
        "paths that are listed more than once": pd.Series(paths, dtype=object)[pd.Series(paths).duplicated()].tolist(),
        f"splits other than {', '.join(SPLITS)}": [split for split in splits if split.lower() not in SPLITS],
        f"names of classes with {SEPARATOR}, which separates labels in the manifest": [
            name for name in _classes(table, layout) if SEPARATOR in name
        ],
    }
    found = [f"{what}: {first_of([*map(repr, values)], SHOWN)}" for what, values in faults.items() if values]
    if cells := _neither_0_nor_1(table, layout):
        found.append(first_of(cells, SHOWN, "\n  "))
    if found:
        raise TransferlineError("\n  ".join([f"{file}:", *found]))


def _neither_0_nor_1(table: pd.DataFrame, layout: Csv) -> list[str]:
    """Returns a message for each wrong cell. Row 1 of the file holds the names of the columns."""
    columns = list(layout.label_columns or ())
    return [
        f"row {row + 2} ({table[layout.path_column].iloc[row]}), column {columns[column]}: "
        f"{table[columns].iloc[row, column]!r} is neither 0 nor 1"
        for row, column in np.argwhere(~table[columns].isin(["0", "1"]).to_numpy(bool))
    ]


def propose_csv(folder: Path) -> Csv | None:
    """Returns the layout of the first table that lists files and their labels, else None."""
    return next((layout for table in sorted(folder.glob("*.csv")) if (layout := _proposal(table))), None)


def _proposal(table: Path) -> Csv | None:
    """Returns the layout of a table with a column of paths and a label column, or several columns of 0 and 1."""
    try:
        rows = pd.read_csv(table, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        row = rows.iloc[0]
    except (OSError, ValueError, IndexError):
        return None
    path = next((column for column in row.index if row[column] and (table.parent / row[column]).is_file()), None)
    label, split = (
        next((column for column in row.index if column.lower() in names), None)
        for names in (LABEL_COLUMNS, SPLIT_COLUMNS)
    )
    if path and label:
        return Csv(kind="csv", file=table.name, path_column=path, label_column=label, split_column=split)
    flags = tuple(str(column) for column in rows if set(rows[column]) <= {"0", "1"})
    if path and len(flags) > 1:
        return Csv(kind="csv", file=table.name, path_column=path, label_columns=flags, split_column=split)
    return None
