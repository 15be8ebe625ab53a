"""Rows of an array that lies in a file, read where they are needed and not mapped into memory."""

import os
from pathlib import Path

import numpy as np

from transferline.arrays import Array, Positions


def read_rows(file: Path | int, rows: Positions, into: Array, places: Positions) -> None:
    """Reads rows of a file that ends with rows of the shape and dtype of `into[0]`.

    Args:
        file: its path, or its number where it is open.
        rows: (n,) which; negative ones count from the end.
        into: is filled at `places`.
        places: (n,).

    Raises:
        OSError: the file does not hold a row.
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
