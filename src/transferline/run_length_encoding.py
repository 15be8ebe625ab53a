"""Run-length encoding of arrays of zeros and ones, in the format of Kaggle's submissions."""

import math

import numpy as np
import numpy.typing as npt

from transferline.arrays import Flags
from transferline.errors import TransferlineError


def encode(ones: npt.ArrayLike) -> str:
    """Returns the runs of ones as pairs "start length", row by row; positions count from 1.

    Args:
        ones: zeros and ones or booleans, of any shape.

    Returns:
        The pairs, separated by spaces; an empty text if there are no ones.
    """
    edges = np.flatnonzero(np.diff(np.asarray(ones, bool).ravel(), prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    return " ".join(f"{start + 1} {end - start}" for start, end in zip(starts, ends, strict=True))


def decode(runs: str, shape: tuple[int, ...]) -> Flags:
    """Returns the array that `encode` has encoded.

    Args:
        runs: pairs "start length", separated by spaces.
        shape: the shape of the array.

    Returns:
        An array with the given shape, bool.

    Raises:
        TransferlineError: `runs` is not a list of pairs, or the runs overlap, are out of order or exceed the array.
    """
    flat = np.zeros(math.prod(shape), bool)
    try:
        pairs = np.array(runs.split(), np.int64).reshape(-1, 2)
    except ValueError as error:
        raise TransferlineError(f"the run-length encoding {runs!r} is not a list of pairs of whole numbers") from error
    end = 0
    for start, length in (pairs - (1, 0)).tolist():
        if length < 1 or start < end or start + length > flat.size:
            raise TransferlineError(
                f"the run {start + 1} {length} of {runs!r} must be after position {end} and end at {flat.size} at most"
            )
        end = start + length
        flat[start:end] = True
    return flat.reshape(shape)
