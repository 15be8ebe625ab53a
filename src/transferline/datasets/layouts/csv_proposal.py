"""Proposes the layout `csv`: finds the columns with the paths and the labels in the tables of a dataset."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from transferline.datasets.layouts.contents import Contents, ProposedLayout, word
from transferline.datasets.layouts.csv_table import FLAGS, names_in
from transferline.datasets.layouts.listing import split_of, usual_splits
from transferline.datasets.layouts.table_file import TABLE_SUFFIXES, Table, read_table_file
from transferline.datasets.layouts.table_paths import fault_of_case, full_path, places
from transferline.errors import TransferlineError
from transferline.params import Csv, Split, SplitTable
from transferline.text import first_of

# Usual names of columns, as `word` gives them. The first one that a table has is taken.
VAGUE_COLUMNS = ("type", "kind", "level", "y")  # can also describe something else, such as the type of the camera
LABEL_COLUMNS = (
    *("label", "labels", "class", "classname", "classid", "classes", "category", "categories", "target", "tags", "tag"),
    *("species", "breed", "diagnosis", "dx", *VAGUE_COLUMNS),
)
# Names of columns whose cells hold several labels, also with blanks between them.
PLURAL_COLUMNS = {
    "labels",
    "classes",
    "classnames",
    "categories",
    "targets",
    "tags",
    "objects",
    "attributes",
    "keywords",
}
SPLIT_COLUMNS = ("split", "subset", "set", "dataset", "partition")
SEPARATORS = ("|", ";", ",", " ")
OTHER_TABLES = (".xlsx", ".xls", ".ods", ".json", ".jsonl", ".parquet")
MOST_TABLES, SHOWN = 50, 5
LEAST_FOUND = 0.95  # of the paths in a table; `validate` names the others


@dataclass(frozen=True)
class Understood:
    """A layout that reads a table, the number of its rows, and its classes; the other fields as in `ProposedLayout`."""

    layout: Csv
    rows: int
    classes: set[str]
    is_certain: bool
    note: str


def propose_csv(contents: Contents) -> ProposedLayout | str:
    """Returns the layout of the table, or of one table per split, that labels the most images, else why none fits."""
    tables = [path for path in contents.files if PurePosixPath(path).suffix.lower() in TABLE_SUFFIXES]
    if not tables:
        sheets = [path for path in contents.files if path.lower().endswith(OTHER_TABLES)]
        hint = f"; save {first_of(sheets, SHOWN)} as a table in UTF-8" if sheets else ""
        return f"there is no table (*.csv, *.tsv){hint}"
    read: dict[str, Understood] = {}
    reasons = []
    for path in sorted(tables, key=lambda path: (path.count("/"), path))[:MOST_TABLES]:
        try:
            read[path] = _understand(read_table_file(contents.folder / path), path, contents.images)
        except TransferlineError as error:
            reasons.append(str(error).replace(f"{contents.folder}/", ""))
    proposals = [one for one in [*read.values(), _of_splits(read)] if one and len(one.classes) > 1]
    if proposals:
        best = max(proposals, key=lambda one: (one.rows, one.is_certain))
        folders = {folder.rpartition("/")[2].lower() for folder in contents.images_by_folder} - {""}
        is_certain = best.is_certain or {name.lower() for name in best.classes} == folders
        return ProposedLayout(best.layout, is_certain, best.note)
    reasons += [f"{path}: all its rows have the same label" for path in read]
    return first_of(reasons, SHOWN, "; ")


def _of_splits(read: dict[str, Understood]) -> Understood | None:
    """Returns one layout for tables of splits that have the same columns, if there are such tables."""
    names = {path: _split_of_table(path) for path in read}
    splits = usual_splits({split: path for path, split in reversed(names.items()) if split})
    used = {split: path for split, path in splits.items() if path}
    own = {"file", "folder"}
    if not used or len({read[path].layout.model_dump_json(exclude=own) for path in used.values()}) > 1:
        return None
    if read[used["train"]].layout.split_column:
        return None
    tables = {split: SplitTable(file=path, folder=read[path].layout.folder) for split, path in used.items()}
    layout = read[used["train"]].layout.model_copy(update={"file": None, "folder": None, **tables})
    rows = sum(read[path].rows for path in used.values())
    given = {key: value for key, value in layout.model_dump().items() if value is not None}
    return replace(read[used["train"]], layout=Csv.model_validate(given), rows=rows, note="")


def _split_of_table(path: str) -> Split | None:
    return split_of(PurePosixPath(path).stem) or split_of(PurePosixPath(path).parent.name)


def _understand(table: Table, path: str, images: Sequence[str]) -> Understood:
    """Returns the layout that reads a table.

    Raises:
        TransferlineError: no column holds paths, or none holds labels.
    """
    if not table.rows:
        raise TransferlineError(f"{path} has no rows below the names of its columns")
    column, folder, suffix = _paths(table, path, images)
    others = [name for name in table.columns if name != column]
    faults = {
        name: _why_no_splits(name, table.column(name))
        for name in others
        if word(name) in SPLIT_COLUMNS and any(map(split_of, table.column(name)))
    }
    split = next((name for name, fault in faults.items() if not fault), None)
    note = "" if split else "\n".join(f"{path}: column {name} is not used: {fault}" for name, fault in faults.items())
    try:
        labels, classes, is_certain = _labels(table, path, [name for name in others if name not in faults])
    except TransferlineError as error:
        if not faults:
            raise
        way = "to use them, add a column label with the class of each image"
        raise TransferlineError(f"{error}. So its splits in column {', '.join(faults)} are not used; {way}") from error
    keys = {"path_column": column, "folder": folder, "suffix": suffix, **labels, "split_column": split}
    given = {name: value for name, value in keys.items() if value}
    layout = Csv.model_validate({"kind": "csv", "file": path, **given})
    return Understood(layout, len(table.rows), classes, is_certain, note)


def _why_no_splits(column: str, cells: Sequence[str]) -> str:
    """Returns why a column cannot give the splits, and what to do; "" if it can."""
    if wrong := Counter(cell for cell in cells if not split_of(cell)):
        values = first_of([f"{cell!r} ({count})" for cell, count in wrong.most_common()], SHOWN)
        return (
            f"{values} are not splits. Without this column, images that it keeps out of train can be trained on. Write "
            "train, validation or test in all rows, or delete the rows of images that must stay out, and set "
            f"data.layout.split_column to {column}"
        )
    there = {split_of(cell) for cell in cells}
    return "" if "train" in there and len(there) > 1 else f"all its values are {' or '.join(sorted({*cells}))}"


def _paths(table: Table, path: str, images: Sequence[str]) -> tuple[str, str, str]:
    """Returns the column with the paths, and the folder and the suffix that they lack."""
    if values := [name for name in table.columns if places([name], images)]:
        raise TransferlineError(f"{path}: its first row must hold the names of the columns, but holds {values[0]}")
    found = {name: places(table.column(name), images) for name in table.columns}
    unique = {name: counts for name, counts in found.items() if counts and _tells_apart(table.column(name))}
    if not unique:
        for name, counts in found.items():
            if counts.total() and counts.most_common(1)[0][1] >= LEAST_FOUND * len(table.rows):
                _refuse_several_rows(table, path, name)
        _refuse_other_case(table, path, [name for name in table.columns if _tells_apart(table.column(name))], images)
        there = ", ".join(table.columns)
        raise TransferlineError(f"{path}: no column names images of this dataset (its columns are {there})")
    column = max(unique, key=lambda name: unique[name].most_common(1)[0][1])
    cells, own = table.column(column), path.rpartition("/")[0]
    split = _split_of_table(path)
    (folder, suffix), count = max(
        unique[column].items(), key=lambda item: (item[1], item[0][0] == own, split and split_of(item[0][0]) == split)
    )
    if count < LEAST_FOUND * len(cells):
        _refuse_other_case(table, path, [column], images)
        where = [
            f"{number} in {folder or 'the top folder'}" for (folder, _), number in unique[column].most_common(SHOWN)
        ]
        raise TransferlineError(f"{path}: of {len(cells)} paths in column {column} there are {', '.join(where)}")
    _refuse_several_rows(table, path, column)
    return column, folder, suffix


def _refuse_several_rows(table: Table, path: str, column: str) -> None:
    named = [full_path(cell) for cell in table.column(column)]
    times = Counter(named)
    if twice := [number for number, name in zip(table.numbers, named, strict=True) if times[name] > 1]:
        raise TransferlineError(
            f"{path}: an image has several rows (rows {first_of(twice[:100], SHOWN)}); a table needs one row per image"
        )


def _refuse_other_case(table: Table, path: str, columns: Sequence[str], images: Sequence[str]) -> None:
    for column in columns:
        if fault := fault_of_case(column, table.column(column), images):
            raise TransferlineError(f"{path}: {fault}")


def _tells_apart(cells: Sequence[str]) -> bool:
    """Returns whether cells differ as paths do. Labels and flags repeat."""
    return len({*cells}) > len(cells) / 2


def _labels(table: Table, path: str, columns: Sequence[str]) -> tuple[dict[str, object], set[str], bool]:
    """Returns the keys of the layout for the labels, the classes, and whether they are labels for certain.

    That is so if the name of the column tells it, or if the table has only columns of 0 and 1.
    """
    cells = {name: table.column(name) for name in columns}
    usual = {word(name): name for name in reversed(columns)}
    label = next((usual[name] for name in LABEL_COLUMNS if name in usual and len({*cells[usual[name]]}) > 1), None)
    flags = [name for name in columns if {cell.lower() for cell in cells[name]} <= set(FLAGS)]
    if label is None and len(flags) > 1:
        return {"label_columns": tuple(flags)}, set(flags), len(flags) == len(columns)
    if label is None:
        repeating = [name for name in columns if 1 < len({*cells[name]}) <= len(cells[name]) / 2]
        known = next((usual[name] for name in LABEL_COLUMNS if name in usual), None)
        if len(repeating) != 1 and not known:
            raise TransferlineError(
                f"{path}: no column has the labels for certain; data.layout.label_column must name one of "
                f"{', '.join(repeating or columns) or 'its columns'}"
            )
        label = known or repeating[0]
    separator = _separator(label, cells[label])
    names = {name for cell in cells[label] for name in (names_in(cell, separator) if separator else {cell} - {""})}
    is_certain = word(label) in LABEL_COLUMNS and word(label) not in VAGUE_COLUMNS
    return {"label_column": label, **({"separator": separator} if separator else {})}, names, is_certain


def _separator(column: str, cells: Sequence[str]) -> str | None:
    """Returns the text between several labels in a cell: its parts repeat more than whole cells do.

    A blank separates only in a column whose name is a plural, because names of classes can contain blanks.
    """
    for separator in SEPARATORS:
        several = any(len(names_in(cell, separator)) > 1 for cell in cells)
        fewer = len({name for cell in cells for name in names_in(cell, separator)}) < len({*cells} - {""})
        if several and (fewer or separator == "|") and (separator != " " or word(column) in PLURAL_COLUMNS):
            return separator
    return None
