"""The predictions that `transferline predict` prints, for every kind of problem."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferline.errors import TransferlineError
from transferline.paths import RAW
from transferline.text import first_of, printable

MOST_NAMED = 3  # files in a message


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


def require_no_photographs(outputs: Iterable[Path], images: Iterable[Path]) -> None:
    """Checks that outputs replace neither an image that is predicted nor a file of a project's `data/raw`.

    Raises:
        TransferlineError: they do; the message names some of them.
    """
    files = list(outputs)
    predicted = {path.resolve() for path in images}
    if lost := [str(file) for file in files if file.resolve() in predicted]:
        raise TransferlineError(
            f"the output would replace images that are to be predicted: {first_of(lost, MOST_NAMED)}; name another "
            "file or folder"
        )
    if raw := [str(file) for file in files if _is_raw(file.resolve())]:
        raise TransferlineError(
            f"the output would be written into {RAW}, where only photographs and their masks belong: "
            f"{first_of(raw, MOST_NAMED)}; name another folder. `transferline data add` adds corrected masks"
        )


def _is_raw(file: Path) -> bool:
    parents = file.parents
    return any(root / RAW in parents and (root / "dvc.yaml").is_file() for root in parents)
