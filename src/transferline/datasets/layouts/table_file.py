"""Reads a table of a person: any usual separator and encoding, with blank rows and blanks around values."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from transferline.errors import TransferlineError
from transferline.text import first_of, reason_of

TABLE_SUFFIXES = (".csv", ".tsv")
SEPARATORS = (",", ";", "\t", "|")
SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n")
SHOWN = 10  # rows in a message
BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
# Text of Windows in a western language: letters of Latin-1, seldom three in a row, and single signs. Other 8-bit texts,
# such as Cyrillic or Chinese ones, do not match if they are read as cp1252.
LETTERS, SIGNS = "À-ÖØ-öø-ÿŒœŠšŽžŸ", "°µ²³¼½¾§·«»©®±×\xa0"
WESTERN = re.compile(
    rf"(?:[\x00-\x7f’–—“”„…€]|[{LETTERS}]{{1,2}}(?![{LETTERS}{SIGNS}])|[{SIGNS}](?![{LETTERS}{SIGNS}]))*"
)


@dataclass(frozen=True)
class Table:
    """The rows of a table that are not blank.

    Attributes:
        file: the path of the table.
        columns: the names of the columns that have a name, in order.
        rows: the cells by column, without blanks around them.
        numbers: the number of each row, as a spreadsheet shows it.
    """

    file: Path
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    numbers: tuple[int, ...]

    def column(self, name: str) -> list[str]:
        """Returns the cells of a column."""
        return [row[name] for row in self.rows]


def read_table_file(file: Path) -> Table:
    """Reads a table whose first row that is not blank has the names of the columns.

    The text is UTF-8, UTF-16, or that of Windows in a western language (cp1252). The separator is the comma, semicolon,
    tab or bar that separates the most columns in the first row.

    Raises:
        TransferlineError: the file cannot be read, its text has another encoding, or rows are wrong. The message names
            all faulty rows.
    """
    try:
        text = _decoded(file)
        numbered = _records(text)
    except (OSError, ValueError, csv.Error) as error:
        raise TransferlineError(f"{file} cannot be read as a table: {reason_of(error)}") from error
    if not numbered:
        raise TransferlineError(f"{file} cannot be read as a table: it has no rows")
    (_, header), *records = numbered
    if twice := [name for name, count in Counter(filter(None, header)).items() if count > 1]:
        raise TransferlineError(
            f"{file} has more than one column {', '.join(twice)}; give each column a name of its own"
        )
    _require_columns(file, records, len(header))
    rows = [{name: cell for name, cell in zip_longest(header, cells, fillvalue="") if name} for _, cells in records]
    return Table(file, tuple(filter(None, header)), tuple(rows), tuple(number for number, _ in records))


def _decoded(file: Path) -> str:
    content = file.read_bytes()
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)
    if encoding is None and content[1:2] == b"\0":
        encoding = "utf-16-le"
    elif encoding is None and content[:1] == b"\0":
        encoding = "utf-16-be"
    try:
        return content.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        text = content.decode("cp1252", "replace")
        row = 1 + content.count(b"\n", 0, error.start)
        if encoding or not WESTERN.fullmatch(text):
            raise ValueError(
                f"line {row} is not UTF-8, and the text is not that of Windows in a western language either; save the "
                "table as UTF-8"
            ) from error
        return text


def _records(text: str) -> list[tuple[int, list[str]]]:
    """Returns the records that are not blank, with their numbers, without blanks around their cells."""
    said = SEPARATOR_LINE.match(text)  # a line of Excel, which it does not show
    text = text[said.end() :] if said else text
    separator = said[1] if said else max(SEPARATORS, key=lambda sign: _columns_of_header(text, sign))
    found: list[tuple[int, list[str]]] = []
    number = 0
    try:
        for number, cells in enumerate(_cells(text, separator, strict=True), 1):
            if _is_filled(cells):
                found.append((number, cells))
    except csv.Error as error:
        raise ValueError(f"row {number + 1}: {reason_of(error)}; check its quotes") from error
    return found


def _columns_of_header(text: str, separator: str) -> int:
    try:
        return next((len(cells) for cells in _cells(text, separator, strict=False) if _is_filled(cells)), 0)
    except csv.Error:
        return 0


def _is_filled(cells: Sequence[str]) -> bool:
    return any(cell.strip("".join(SEPARATORS)) for cell in cells)


def _cells(text: str, separator: str, strict: bool) -> Iterator[list[str]]:
    lines = io.StringIO(text, newline="")
    for cells in csv.reader(lines, delimiter=separator, strict=strict, skipinitialspace=True):
        yield [cell.strip() for cell in cells]


def _require_columns(file: Path, records: Sequence[tuple[int, list[str]]], columns: int) -> None:
    """Checks that no row has a value after the last column. Programs leave out empty cells at the end of a row."""
    faults = [
        f"row {number} has {len(cells)} values for {columns} columns"
        for number, cells in records
        if any(cells[columns:])
    ]
    if faults:
        hint = "put double quotes around a value that contains a separator"
        raise TransferlineError("\n  ".join([f"{file} is wrong; {hint}:", first_of(faults, SHOWN, "\n  ")]))
