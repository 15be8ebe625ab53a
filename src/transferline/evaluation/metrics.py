"""Figures of a classifier, from labels, predictions and probabilities."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transferline.params import Evaluate

BINS = 15

Labels = npt.NDArray[np.str_]
Floats = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]


def accuracy_interval(correct: int, n: int, params: Evaluate) -> tuple[float, float]:
    """The percentile bootstrap interval of an accuracy (Efron and Tibshirani, An Introduction to the Bootstrap, 1993).

    Drawing n images with replacement and counting the correct ones is drawing from a binomial distribution, so that
    is what is drawn.

    Args:
        correct: correctly classified images.
        n: images, at least one.
        params: `bootstrap` resamples from `seed`, `confidence` of the interval.

    Returns:
        Lower and upper end, 0 to 1.
    """
    accuracies = np.random.default_rng(params.seed).binomial(n, correct / n, params.bootstrap) / n
    tail = (1 - params.confidence) / 2
    low, high = np.quantile(accuracies, [tail, 1 - tail])
    return float(low), float(high)


def calibration_bins(confidence: Floats, correct: Flags) -> pd.DataFrame:
    """Images by confidence, in `BINS` bins of equal width; empty bins are left out.

    Args:
        confidence: (n,) the probability of the predicted class, 0 to 1.
        correct: (n,) bool.

    Returns:
        The bin's number as index; columns `count`, `confidence` and `accuracy` (means of the bin).
    """
    number = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    frame = pd.DataFrame({"confidence": confidence.astype(float), "accuracy": correct.astype(float)})
    grouped = frame.groupby(number)
    return grouped.mean().assign(count=grouped.size())


def expected_calibration_error(confidence: Floats, correct: Flags) -> float:
    """The mean distance between confidence and accuracy over the bins, weighted by their images.

    Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017, equation 3. Arguments as in
    `calibration_bins`.
    """
    bins = calibration_bins(confidence, correct)
    return float(np.average((bins["accuracy"] - bins["confidence"]).abs(), weights=bins["count"]))


def log_loss(labels: Labels, probabilities: Floats, classes: tuple[str, ...]) -> float:
    """The mean of -ln(probability of the true class), where a class that `classes` lacks has the probability 0.

    Probabilities are clipped at float32's epsilon, as in scikit-learn, whose own function takes no unknown label.
    """
    of_truth = np.sum(np.where(labels[:, None] == np.array(classes), probabilities, 0), axis=1, dtype=float)
    return float(-np.log(np.clip(of_truth, np.finfo(np.float32).eps, 1)).mean())


def per_class(
    labels: Labels, predicted: Labels, probabilities: Floats, classes: tuple[str, ...]
) -> dict[str, dict[str, float | None]]:
    """Precision, recall, F1, support and one-vs-rest ROC AUC of each class.

    The area is None where the labels lack the class, or hold no other.
    """
    from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

    table = np.stack(precision_recall_fscore_support(labels, predicted, labels=list(classes), zero_division=0))
    result = {}
    for name, column, (precision, recall, f1, support) in zip(classes, probabilities.T, table.T.tolist(), strict=True):
        area = float(roc_auc_score(labels == name, column)) if 0 < support < len(labels) else None
        result[name] = {"precision": precision, "recall": recall, "f1": f1, "support": int(support), "roc_auc": area}
    return result


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def classification_metrics(
    labels: Labels,
    predicted: Labels,
    confidence: Floats,
    probabilities: Floats,
    classes: tuple[str, ...],
    params: Evaluate,
) -> dict[str, Any]:
    """All figures of one set of images.

    Balanced accuracy (mean recall) and macro F1 are means over the classes that the labels hold; `roc_auc` is the
    positive (second) class's in a binary problem, else the mean over the classes that have one.

    Args:
        labels: (n,) names of the true classes, n ≥ 1; one that is not in `classes` counts as wrongly classified.
        predicted: (n,) names of the predicted classes, which need not be in `classes`.
        confidence: (n,) their probabilities.
        probabilities: (n, classes) in the order of `classes`.
        classes: names.
        params: resamples and confidence of the interval.

    Returns:
        n, accuracy, accuracy_low, accuracy_high, balanced_accuracy, macro_f1, log_loss, roc_auc,
        expected_calibration_error, and per_class (see there).
    """
    correct = labels == predicted
    low, high = accuracy_interval(int(correct.sum()), len(labels), params)
    classwise = per_class(labels, predicted, probabilities, classes)
    held = [figures for figures in classwise.values() if figures["support"]]
    areas = [figures["roc_auc"] for figures in classwise.values()]
    return {
        "n": len(labels),
        "accuracy": float(correct.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        "balanced_accuracy": _mean([figures["recall"] for figures in held]),
        "macro_f1": _mean([figures["f1"] for figures in held]),
        "log_loss": log_loss(labels, probabilities, classes),
        "roc_auc": areas[1] if len(classes) == 2 else _mean(areas),
        "expected_calibration_error": expected_calibration_error(confidence, correct),
        "per_class": classwise,
    }
