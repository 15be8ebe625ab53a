"""The predictions that `transferline predict` prints, for every kind of problem."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferline.errors import TransferlineError
from transferline.text import printable


@dataclass(frozen=True)
class PredictedFiles:
    """Predictions of files.

    Attributes:
        text: for people; only the files that could be read.
        rows: for programs; a row for each file. `error` is why the file could not be read, None if it could.
    """

    text: str
    rows: list[dict[str, Any]]

    @property
    def errors(self) -> list[str]:
        """The reasons why files could not be read."""
        return [row["error"] for row in self.rows if row["error"]]


def printable_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row of a table in which every text is printable, also names of files that are not UTF-8."""
    return {key: printable(value) if isinstance(value, str) else value for key, value in row.items()}


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError into an error that names the file.

    Raises:
        TransferlineError: the file cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise TransferlineError(f"{path} cannot be written: {error.strerror}") from error
