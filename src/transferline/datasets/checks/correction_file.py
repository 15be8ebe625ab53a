"""Reads `data/corrections/NAME.csv`, the corrections that people made to a dataset: one row per correction."""

import csv
import difflib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import Any

from transferline.datasets.file_names import is_hidden
from transferline.datasets.layouts.listing import Listing
from transferline.datasets.layouts.table_paths import by_form, in_known_form
from transferline.datasets.tables import SEPARATOR, join_names, natural, split_labels
from transferline.errors import TransferlineError
from transferline.params import Layout
from transferline.params.layouts import gives_several_labels, has_masks
from transferline.text import first_of, reason_of

COLUMNS = ("image", "label", "who", "when", "why", "never_test")
ANSWERS = {**dict.fromkeys(("yes", "true", "1"), True), **dict.fromkeys(("", "no", "false", "0"), False)}
SHA256 = re.compile(r"[0-9a-f]{64}")
SHOWN = 12  # classes in a message


@dataclass(frozen=True)
class Correction:
    """A row of the file.

    Attributes:
        source: the file and the number of the row. Row 1 holds the names of the columns.
        image: the path in the dataset's folder, or the sha256, in lower case, of one or more files.
        label: the correct label, as in `datasets/tables.py`; None leaves the image out.
        who: the person who made the correction, as free text.
        when: an ISO date, with or without a time, or empty.
        why: the reason, as free text.
        never_test: whether the image and its group must never be in the test split.
    """

    source: str
    image: str
    label: str | None
    who: str
    when: str
    why: str
    never_test: bool

    @property
    def reason(self) -> str:
        """The reason, with person and date in parentheses."""
        signed = ", ".join(filter(None, (self.who, self.when)))
        return (self.why or "no reason given") + (f" ({signed})" if signed else "")


def read_corrections(file: Path, listing: Listing, layout: Layout) -> list[Correction]:
    """Reads the corrections of a dataset in the order of the file; none if the file does not exist.

    Args:
        file: CSV in UTF-8, with or without a byte order mark. Blank rows and blanks around values are ignored.
        listing: the files of the dataset with their original labels.
        layout: the dataset's layout.

    Raises:
        TransferlineError: the file cannot be read, or is wrong. The message names all faulty rows.
    """
    if not file.exists():
        return []
    faults: list[str] = []
    known = by_form(listing.files["path"]), classes_of(listing, layout), layout
    found = [_correction(file, number, cells, known, faults) for number, cells in _rows(file, faults)]
    if faults:
        raise TransferlineError("\n  ".join([f"{file} is wrong; correct it:", *faults]))
    return found


def classes_of(listing: Listing, layout: Layout) -> tuple[str, ...]:
    """Returns the classes that a correction can name: those of the dataset's labels, and those that it declares."""
    files = listing.files[listing.files["label"].notna()]
    labels = {label for path, label in zip(files["path"], files["label"], strict=True) if not is_hidden(path)}
    several = gives_several_labels(layout) or has_masks(layout)
    names = {name for label in labels for name in (split_labels(label) if several else [label])}
    return tuple(sorted({*names, *listing.classes}, key=natural))


def read_label(text: str, classes: Sequence[str], layout: Layout) -> str:
    """Converts a label that a person wrote to the form of the manifest.

    In a multilabel problem "|" alone means an image without any of the labels.

    Raises:
        ValueError: it is not a label of the dataset. The message lists the labels.
    """
    if has_masks(layout):
        raise ValueError(f"{text!r}: a mask cannot be corrected here; an image can only be left out (an empty label)")
    several = gives_several_labels(layout)
    known = by_form(classes)
    names = {as_there(name, known) for name in (text.split(SEPARATOR) if several else [text])}
    names -= {""} if several else set()
    if unknown := sorted(names - set(classes), key=natural):
        raise ValueError("; ".join(_unknown(name, classes) for name in unknown))
    return join_names(names)


def _unknown(name: str, classes: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, classes, 1)
    meant = f"; is {near[0]} meant?" if near else ""
    return f"{name!r} is not a class of this dataset{meant} (its classes are {first_of(classes, SHOWN)})"


def as_there(text: str, known: Mapping[str, str]) -> str:
    """Returns the known name (see `by_form`) that `text` is, with or without blanks around it; else `text` without."""
    return in_known_form(text, known) or in_known_form(text.strip(), known) or text.strip()


def _rows(file: Path, faults: list[str]) -> list[tuple[int, dict[str, str]]]:
    """Returns the rows that are not blank, each with its number and its values by column.

    Rows with too many values are added to `faults`.
    """
    header, *rows = _filled(file)
    columns = [cell.strip() for cell in header[1]]
    wrong = [f"it has no column {column}" for column in COLUMNS if column not in columns]
    wrong += [f"it has an unknown column {column!r}" for column in columns if column not in COLUMNS]
    wrong += [f"it has the column {column} more than once" for column, count in Counter(columns).items() if count > 1]
    if wrong:
        wanted = f"row {header[0]} must name the columns {','.join(COLUMNS)}, with commas between them"
        raise TransferlineError("\n  ".join([f"{file} is wrong; correct it:", *wrong, wanted]))
    faults += [
        f"row {number}: {len(row)} values for {len(columns)} columns; put double quotes around one that holds a comma"
        for number, row in rows
        if any(cell.strip() for cell in row[len(columns) :])
    ]
    return [(number, dict(zip_longest(columns, row[: len(columns)], fillvalue=""))) for number, row in rows]


def _filled(file: Path) -> list[tuple[int, list[str]]]:
    """Returns the rows that are not blank, with their numbers."""
    rows: list[list[str]] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows.extend(csv.reader(opened, strict=True, skipinitialspace=True))
    except csv.Error as error:
        raise TransferlineError(f"{file}, row {len(rows) + 1} cannot be read as CSV: {reason_of(error)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TransferlineError(f"{file} cannot be read as CSV in UTF-8: {reason_of(error)}") from error
    filled = [(number, row) for number, row in enumerate(rows, 1) if any(cell.strip() for cell in row)]
    return filled or [(1, [])]


def _correction(
    file: Path,
    number: int,
    cells: dict[str, str],
    known: tuple[dict[str, str], tuple[str, ...], Layout],
    faults: list[str],
) -> Correction:
    """Returns the correction of a row. Faults of the row are added to `faults`."""
    paths, classes, layout = known

    def value(column: str, read: Callable[[str], Any]) -> Any:
        try:
            return read(cells[column])
        except ValueError as error:
            faults.append(f"row {number}, {column}: {reason_of(error)}")

    return Correction(
        source=f"{file.as_posix()}, row {number}",
        image=value("image", lambda text: _image(text, paths)),
        label=value("label", lambda text: read_label(text, classes, layout) if text.strip() else None),
        who=cells["who"].strip(),
        when=value("when", _when),
        why=cells["why"].strip(),
        never_test=value("never_test", _never_test),
    )


def _image(text: str, paths: Mapping[str, str]) -> str:
    image = as_there(text, paths)
    if SHA256.fullmatch(image.lower()):
        return image.lower()
    if not image:
        raise ValueError("is empty; allowed are a path in the dataset's folder, and the sha256 of a file")
    if image.startswith("/") or ".." in image.split("/"):
        raise ValueError(f"{image!r} leaves the dataset's folder; allowed are a path in it, and the sha256 of a file")
    return as_there(PurePosixPath(image).as_posix(), paths)


def _when(text: str) -> str:
    if text.strip():
        try:
            datetime.fromisoformat(text.strip())
        except ValueError as error:
            raise ValueError(
                f"{text.strip()!r} is not a date; allowed are 2026-01-31, 2026-01-31T14:05:00+00:00, or an empty cell"
            ) from error
    return text.strip()


def _never_test(text: str) -> bool:
    answer = ANSWERS.get(text.strip().lower())
    if answer is None:
        raise ValueError(f"{text.strip()!r}; allowed are yes, true, 1, no, false, 0, or an empty cell, which means no")
    return answer
