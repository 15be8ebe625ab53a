"""Pixels by true class and by predicted class, and the metrics that follow from these counts alone."""

import numpy as np

from transferline.arrays import Array, Counts, Floats


def pixel_confusion(truth: Array, said: Array, classes: int) -> Counts:
    """Pixels by true class and by what is said of them, (classes, classes + 1); the last column is of other classes.

    Args:
        truth: of any shape; pixels of other values than 0 to `classes` - 1 do not count.
        said: of the same shape, 0 to `classes`.
        classes: their number.
    """
    known = truth < classes
    pairs = truth[known].astype(np.int64) * (classes + 1) + said[known]
    return np.bincount(pairs, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def ious(matrix: Array) -> Floats:
    """Intersection over union of each class, (…, classes), from `pixel_confusion` (…, classes, classes + 1); NaN for a
    class that neither the truth nor the answer holds."""
    square = matrix[..., :-1]
    hits = np.diagonal(square, axis1=-2, axis2=-1)
    union = matrix.sum(axis=-1) + square.sum(axis=-2) - hits
    return np.where(union > 0, hits / np.maximum(union, 1), np.nan)


def mean_iou(matrix: Array) -> Floats:
    """The mean of `ious` over the classes that have one, (…)."""
    values = ious(matrix)
    known = ~np.isnan(values)
    mean: Floats = np.where(known, values, 0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
    return mean


def pixel_accuracy(matrix: Array) -> Floats:
    """The share of the pixels that are right, (…)."""
    hits: Floats = np.trace(matrix[..., :-1], axis1=-2, axis2=-1) / np.maximum(matrix.sum(axis=(-2, -1)), 1)
    return hits
