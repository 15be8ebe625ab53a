"""The goal of a targeted attack where each image, or each pixel, has one class."""

import numpy as np

from transferline.arrays import Array, Floats


def most_likely(probabilities: Floats) -> Array:
    """Returns the class with the highest probability, int32, with a last axis of length 1."""
    positions: Array = probabilities.argmax(axis=-1)[..., None].astype(np.int32)
    return positions


def least_likely_wrong(truth: Array, probabilities: Floats) -> Array:
    """Returns the wrong class with the lowest probability.

    Args:
        truth: the class of each image, (n, 1), or of each pixel, (n, side, side, 1).
        probabilities: (n, classes), or (n, side, side, classes).

    Returns:
        An array of the same shape and dtype as `truth`; a void pixel stays void.
    """
    wrong, is_void = probabilities.astype(float), truth >= probabilities.shape[-1]
    np.put_along_axis(wrong, np.where(is_void, 0, truth).astype(np.intp), np.inf, axis=-1)
    least: Array = np.where(is_void, truth, wrong.argmin(axis=-1, keepdims=True)).astype(truth.dtype)
    return least
