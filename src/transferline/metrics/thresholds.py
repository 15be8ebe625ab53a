"""Thresholds: the probabilities at and above which a label of a multilabel problem is predicted.

This module does not import TensorFlow.
"""

import numpy as np

from transferline.arrays import Array, Flags, Floats
from transferline.params import Thresholds

ONE_SIDED = 0.5  # if all or none of the images have the class, they cannot show which threshold is right


def choose_thresholds(truth: Array, probabilities: Floats, params: Thresholds) -> tuple[float, ...]:
    """Returns the threshold of each class.

    Args:
        truth: (n, classes) bool or 0/1, of validation images. Thresholds are never chosen on test images.
        probabilities: (n, classes), 0 to 1.
        params: `fixed` uses one value for all classes; `per_class` uses `best_f1`.

    Returns:
        (classes,) numbers between 0 and 1.
    """
    if params.value is not None:
        return (params.value,) * len(truth.T)
    return tuple(best_f1(*columns) for columns in zip(truth.astype(bool).T, probabilities.T, strict=True))


def best_f1(truth: Flags, probabilities: Floats) -> float:
    """Returns the threshold with the highest F1 on these images.

    Lipton, Elkan and Naryanaswamy, Optimal Thresholding of Classifiers to Maximize F1 Measure, ECML PKDD 2014. All
    thresholds between two neighbouring probabilities give the same predictions. Of the gaps with the highest F1, the
    function chooses the middle of the widest one. The lowest gap starts at 0.

    Args:
        truth: (n,) bool. If no image or each image has the class, the threshold is 0.5.
        probabilities: (n,), 0 to 1.
    """
    from sklearn.metrics import precision_recall_curve

    if truth.all() or not truth.any():
        return ONE_SIDED
    precision, recall, upper = precision_recall_curve(truth, probabilities.astype(float))
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    lower = np.concatenate([[0.0], upper[:-1]])
    # The last point of the curve is above all probabilities and has no threshold.
    best = np.isclose(f1[:-1], f1.max(), rtol=1e-9)
    widest = int(np.argmax(np.where(best, upper - lower, -1)))
    return float((lower[widest] + upper[widest]) / 2)


def decide_labels(probabilities: Floats, thresholds: tuple[float, ...], argmax_fallback: bool) -> Flags:
    """Returns which labels are predicted, (n, classes) bool.

    Args:
        probabilities: (n, classes), 0 to 1.
        thresholds: one for each class.
        argmax_fallback: whether an image without a predicted label gets its most probable label.
    """
    present = probabilities >= np.array(thresholds)
    if argmax_fallback:
        empty = np.flatnonzero(~present.any(axis=1))
        present[empty, probabilities[empty].argmax(axis=1)] = True
    return present
