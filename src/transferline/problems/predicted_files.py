"""What `transferline predict` prints of files, for every kind of problem."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferline.errors import TransferlineError


@dataclass(frozen=True)
class PredictedFiles:
    """Predictions of files.

    Attributes:
        text: for people; of the files that could be read.
        rows: for programs, a row for each file; `error` is why it could not be read, None if it could.
    """

    text: str
    rows: list[dict[str, Any]]

    @property
    def errors(self) -> list[str]:
        """Why files could not be read."""
        return [row["error"] for row in self.rows if row["error"]]


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Names the file that cannot be written.

    Raises:
        TransferlineError: an OSError inside.
    """
    try:
        yield
    except OSError as error:
        raise TransferlineError(f"{path} cannot be written: {error.strerror}") from error
