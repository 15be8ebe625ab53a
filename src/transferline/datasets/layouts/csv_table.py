"""The layout `csv`: a table with one row per image, or one such table per split."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

from transferline.datasets.file_names import is_image
from transferline.datasets.layouts.listing import Listing, listing_table, split_of
from transferline.datasets.layouts.table_file import TABLE_SUFFIXES, Table, read_table_file
from transferline.datasets.layouts.table_paths import as_on_disk, fault_of_case, full_path, places
from transferline.datasets.tables import SEPARATOR, join_names
from transferline.errors import TransferlineError
from transferline.params import Csv, Split, SplitTable
from transferline.text import first_of

FLAGS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
SHOWN = 10  # rows in a message


class TableOfSplit(NamedTuple):
    """A table of the layout: its path, the folder that its paths lack, and its split, None if there is only one."""

    file: str
    folder: str | None
    split: Split | None


def tables_of(layout: Csv) -> list[TableOfSplit]:
    """Returns the tables of a layout."""
    if layout.file:
        return [TableOfSplit(layout.file, layout.folder, None)]
    tables: list[tuple[Split, SplitTable | None]] = [(split, getattr(layout, split)) for split in get_args(Split)]
    return [TableOfSplit(table.file, table.folder, split) for split, table in tables if table]


def read_csv(raw: Path, paths: list[str], layout: Csv) -> Listing:
    """Lists the files with the label and split from the tables; both are null for a file that no table lists.

    Raises:
        TransferlineError: a table cannot be read, or columns or rows are wrong, or none of its paths exists. The
            message names all faulty rows.
    """
    rows: dict[str, tuple[str | None, Split | None]] = {}
    for named in tables_of(layout):
        table = _read(raw / named.file, layout)
        listed = [full_path(cell, named.folder, layout.suffix) for cell in table.column(layout.path_column)]
        listed = as_on_disk(listed, paths)
        if faults := [*_path_faults(table, listed, rows), *_value_faults(table, layout)]:
            raise TransferlineError("\n  ".join([f"{table.file}:", *faults]))
        _require_some(table, listed, paths, layout)
        splits = _splits(table, layout.split_column) if layout.split_column else [named.split] * len(listed)
        rows |= dict(zip(listed, zip(_labels(table, layout), splits, strict=True), strict=True))
    tables = {full_path(named.file) for named in tables_of(layout)}
    return Listing(
        listing_table([path for path in paths if path not in tables], rows), classes=layout.label_columns or ()
    )


def _read(file: Path, layout: Csv) -> Table:
    if not file.is_file():
        near = (path.name for path in file.parent.glob("*") if path.suffix.lower() in TABLE_SUFFIXES)
        there = ", ".join(sorted(near)) or "none"
        raise TransferlineError(f"{file}: no such table; data.layout must name one (there are: {there})")
    table = read_table_file(file)
    single = (layout.path_column, layout.label_column, layout.split_column)
    wanted = [*filter(None, single), *(layout.label_columns or ())]
    if missing := [column for column in wanted if column not in table.columns]:
        raise TransferlineError(
            f"{file} has no column {', '.join(missing)}; its columns are {', '.join(table.columns)}"
        )
    if not table.rows:
        raise TransferlineError(f"{file} has no rows below the names of its columns")
    return table


def _labels(table: Table, layout: Csv) -> list[str | None]:
    if layout.label_columns:
        return [join_names(name for name in layout.label_columns if FLAGS[row[name].lower()]) for row in table.rows]
    cells = table.column(str(layout.label_column))
    if layout.separator is None:
        return [cell or None for cell in cells]
    return [join_names(names_in(cell, layout.separator)) for cell in cells]


def _splits(table: Table, column: str) -> list[Split | None]:
    """Returns the split of each row. As in `usual_splits`, validation is used as test if there is no test."""
    splits = [split_of(cell) for cell in table.column(column)]
    return splits if "test" in splits else ["test" if split == "validation" else split for split in splits]


def names_in(cell: str, separator: str) -> set[str]:
    """Returns the labels in a cell, without blanks around them."""
    return {name.strip() for name in cell.split(separator)} - {""}


def _path_faults(table: Table, listed: Sequence[str], before: Collection[str]) -> Iterator[str]:
    times, rows = Counter(listed), list(zip(table.numbers, listed, strict=True))
    kinds = {
        "rows without a path": [f"row {row}" for row, path in rows if not path],
        "paths that leave the dataset's folder": [
            f"row {row} ({path!r})" for row, path in rows if path.startswith("/") or ".." in path.split("/")
        ],
        "paths with a character that file names cannot have": [f"row {row}" for row, path in rows if "\0" in path],
        "paths that are listed more than once": [
            f"row {row} ({path!r})" for row, path in rows if path and times[path] > 1
        ],
        "paths that another split's table lists too": [f"row {row} ({path!r})" for row, path in rows if path in before],
    }
    yield from (f"{what}: {first_of(values, SHOWN)}" for what, values in kinds.items() if values)


def _value_faults(table: Table, layout: Csv) -> Iterator[str]:
    """Yields a message for each wrong split, name of a class, and value that is neither 0 nor 1."""
    rows = list(zip(table.numbers, table.rows, strict=True))
    if layout.split_column:
        cells = [(number, row[layout.split_column]) for number, row in rows]
        if wrong := [f"row {number} ({cell!r})" for number, cell in cells if split_of(cell) is None]:
            yield f"splits other than {', '.join(get_args(Split))}: {first_of(wrong, SHOWN)}"
    if layout.separator and layout.label_column:
        cells = [(number, row[layout.label_column]) for number, row in rows]
        labels = {name: number for number, cell in reversed(cells) for name in names_in(cell, layout.separator)}
        if wrong := [f"row {number} ({name!r})" for name, number in labels.items() if SEPARATOR in name]:
            yield f"names of classes with {SEPARATOR}, which separates labels in the manifest: {first_of(wrong, SHOWN)}"
    if named := [repr(name) for name in layout.label_columns or () if SEPARATOR in name]:
        yield f"names of columns with {SEPARATOR}, which separates labels in the manifest: {first_of(named, SHOWN)}"
    wrong = [
        f"row {number} ({row[layout.path_column]}), column {name}: {row[name]!r} is neither 0 nor 1"
        for number, row in rows
        for name in layout.label_columns or ()
        if row[name].lower() not in FLAGS
    ]
    if wrong:
        yield first_of(wrong, SHOWN, "\n  ")


def _require_some(table: Table, listed: Sequence[str], paths: Sequence[str], layout: Csv) -> None:
    if not set(listed).isdisjoint(paths):
        return
    images = [path for path in paths if is_image(path)]
    hint = "check data.layout.path_column, data.layout.folder and data.layout.suffix"
    if found := places(table.column(layout.path_column), images).most_common(1):
        ((folder, suffix), count), key = found[0], "data.layout" if layout.file else "its table in data.layout"
        wanted = [*[f"folder to {folder}"] * bool(folder), *[f"data.layout.suffix to {suffix}"] * bool(suffix)]
        where = f"in {folder}/" if folder else "at the top"
        hint = f"{count} images of the same name lie {where}; set " + " and ".join(wanted).replace(
            "folder", f"{key}.folder", 1
        )
    hint = fault_of_case(layout.path_column, table.column(layout.path_column), images) or hint
    raise TransferlineError(
        f"{table.file}: {len(listed)} of {len(listed)} paths in column {layout.path_column} are not there, such as "
        f"{listed[0]}; {hint}"
    )
