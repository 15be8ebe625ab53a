"""The confusion matrix of pixels, and the metrics that are computed from it."""

import numpy as np

from transferline.arrays import Array, Counts, Floats


def pixel_confusion(truth: Array, predicted: Array, classes: int) -> Counts:
    """Counts pixels by true class (rows) and predicted class (columns).

    Args:
        truth: true classes, of any shape. Pixels with a value of `classes` or above do not count.
        predicted: predicted classes, of the same shape, 0 to `classes`; `classes` means any other class.
        classes: the number of classes.

    Returns:
        (classes, classes + 1) int64; the last column counts predictions of any other class.
    """
    known = truth < classes
    pairs = truth[known].astype(np.int64) * (classes + 1) + predicted[known]
    return np.bincount(pairs, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def ious(matrix: Array) -> Floats:
    """Computes the intersection over union of each class.

    Args:
        matrix: (…, classes, classes + 1) from `pixel_confusion`.

    Returns:
        (…, classes), 0 to 1; NaN for a class that occurs neither in the truth nor in the prediction.
    """
    square = matrix[..., :-1]
    hits = np.diagonal(square, axis1=-2, axis2=-1)
    union = matrix.sum(axis=-1) + square.sum(axis=-2) - hits
    return np.where(union > 0, hits / np.maximum(union, 1), np.nan)


def mean_iou(matrix: Array) -> Floats:
    """Computes the mean of `ious` over the classes where it is defined, (…)."""
    values = ious(matrix)
    known = ~np.isnan(values)
    mean: Floats = np.where(known, values, 0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
    return mean


def pixel_accuracy(matrix: Array) -> Floats:
    """Computes the share of the pixels that are predicted correctly, (…)."""
    hits: Floats = np.trace(matrix[..., :-1], axis1=-2, axis2=-1) / np.maximum(matrix.sum(axis=(-2, -1)), 1)
    return hits
