"""Run-length encoding of arrays of zeros and ones, as Kaggle's submissions write it."""

import math

import numpy as np
import numpy.typing as npt

from transferline.arrays import Flags
from transferline.errors import TransferlineError


def encode(ones: npt.ArrayLike) -> str:
    """Writes the runs of ones as pairs "start length", row by row; positions count from 1. No ones: an empty text.

    Args:
        ones: zeros and ones or booleans, of any shape.
    """
    edges = np.flatnonzero(np.diff(np.asarray(ones, bool).ravel(), prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    return " ".join(f"{start + 1} {end - start}" for start, end in zip(starts, ends, strict=True))


def decode(runs: str, shape: tuple[int, ...]) -> Flags:
    """Reads what `encode` wrote.

    Args:
        runs: pairs "start length".
        shape: of the array.

    Returns:
        `shape`, bool.

    Raises:
        TransferlineError: it is no list of pairs, or the runs overlap, are out of order or leave the array.
    """
    flat = np.zeros(math.prod(shape), bool)
    try:
        pairs = np.array(runs.split(), np.int64).reshape(-1, 2)
    except ValueError as error:
        raise TransferlineError(f"the run-length encoding {runs!r} is no list of pairs of whole numbers") from error
    end = 0
    for start, length in (pairs - (1, 0)).tolist():
        if length < 1 or start < end or start + length > flat.size:
            raise TransferlineError(
                f"the run {start + 1} {length} of {runs!r} does not fit behind {end} of {flat.size} places"
            )
        end = start + length
        flat[start:end] = True
    return flat.reshape(shape)
