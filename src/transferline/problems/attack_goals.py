"""What a targeted attack aims at where each image, or each pixel, has one class."""

import numpy as np

from transferline.arrays import Array, Floats


def least_likely_wrong(truth: Array, probabilities: Floats) -> Array:
    """The wrong class with the lowest probability.

    Args:
        truth: (n, 1) the class of each image, or (n, side, side, 1) of each pixel.
        probabilities: (n, classes), or (n, side, side, classes).

    Returns:
        As `truth`; a void pixel stays void.
    """
    wrong, is_void = probabilities.astype(float), truth >= probabilities.shape[-1]
    np.put_along_axis(wrong, np.where(is_void, 0, truth).astype(np.intp), np.inf, axis=-1)
    least: Array = np.where(is_void, truth, wrong.argmin(axis=-1, keepdims=True)).astype(truth.dtype)
    return least
