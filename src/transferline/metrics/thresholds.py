"""From which probability on a label of a multilabel problem counts as present. Needs no TensorFlow."""

import numpy as np

from transferline.arrays import Array, Flags, Floats
from transferline.params import Thresholds

WITHOUT_POSITIVES = 0.5


def choose_thresholds(truth: Array, probabilities: Floats, params: Thresholds) -> tuple[float, ...]:
    """The threshold of each class.

    Args:
        truth: (n, classes) bool or 0/1, of validation images: thresholds are never chosen on test images.
        probabilities: (n, classes), 0 to 1.
        params: `fixed`, the value for all classes, or `per_class`, see `best_f1`.

    Returns:
        (classes,) numbers between 0 and 1.
    """
    if params.value is not None:
        return (params.value,) * len(truth.T)
    return tuple(best_f1(*columns) for columns in zip(truth.astype(bool).T, probabilities.T, strict=True))


def best_f1(truth: Flags, probabilities: Floats) -> float:
    """The threshold with the highest F1 on these images (Lipton, Elkan and Naryanaswamy, Optimal Thresholding of
    Classifiers to Maximize F1 Measure, ECML PKDD 2014).

    All thresholds between two neighbouring probabilities decide alike: of the gaps with the highest F1 the widest is
    taken, and its middle. The lowest gap starts at 0.

    Args:
        truth: (n,); without a positive one the threshold is 0.5.
        probabilities: (n,), 0 to 1.
    """
    from sklearn.metrics import precision_recall_curve

    if not truth.any():
        return WITHOUT_POSITIVES
    precision, recall, upper = precision_recall_curve(truth, probabilities.astype(float))
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    lower = np.concatenate([[0.0], upper[:-1]])
    # the curve ends with a point above all probabilities, which has no threshold
    best = np.isclose(f1[:-1], f1.max(), rtol=1e-9)
    widest = int(np.argmax(np.where(best, upper - lower, -1)))
    return float((lower[widest] + upper[widest]) / 2)


def decide_labels(probabilities: Floats, thresholds: tuple[float, ...], argmax_fallback: bool) -> Flags:
    """Which labels count as present: (n, classes) bool.

    Args:
        probabilities: (n, classes).
        thresholds: by class.
        argmax_fallback: whether an image without a label gets its most probable one.
    """
    present = probabilities >= np.array(thresholds)
    if argmax_fallback:
        empty = np.flatnonzero(~present.any(axis=1))
        present[empty, probabilities[empty].argmax(axis=1)] = True
    return present
