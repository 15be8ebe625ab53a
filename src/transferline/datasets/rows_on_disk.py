"""Reads single rows of an array in a file, without mapping the file into memory."""

import os
from pathlib import Path

import numpy as np

from transferline.arrays import Array, Positions


def read_rows(file: Path | int, rows: Positions, into: Array, places: Positions) -> None:
    """Reads rows of a file into an array. Each row of the file has the shape and dtype of `into[0]`.

    Args:
        file: the file's path, or the descriptor of an open file.
        rows: (n,) the numbers of the rows. Negative numbers count from the end of the file; use them for a file that
            starts with a header.
        into: the array that gets the rows.
        places: (n,) the position of each row in `into`.

    Raises:
        OSError: the file does not contain a row.
    """
    size = into.itemsize * int(np.prod(into.shape[1:]))
    number = os.open(file, os.O_RDONLY) if isinstance(file, Path) else file
    try:
        end = os.fstat(number).st_size
        for row, place in zip(rows.tolist(), places.tolist(), strict=True):
            start = row * size if row >= 0 else end + row * size
            if start < 0 or os.preadv(number, [into[place]], start) != size:
                raise OSError(f"{file} of {end} bytes has no row {row} of {size} bytes")
    finally:
        if isinstance(file, Path):
            os.close(number)
