"""Figures of a classifier with one label per image, from labels, predictions and probabilities."""

from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import ClassNames, Flags, Floats
from transferline.metrics import resampling
from transferline.metrics.resampling import Figure, mean_of, mean_over_classes, with_intervals
from transferline.params import Evaluate

BINS = 15
LOSSES = ("log_loss", "hamming_loss")


def share(name: str, flags: Flags, params: Evaluate) -> dict[str, float]:
    """A share of images, such as the accuracy, with its interval (Wilson, Probable Inference, the Law of Succession,
    and Statistical Inference, Journal of the American Statistical Association 22, 1927).

    Unlike a bootstrap's it has a width where all images are right, or none.

    Args:
        name: of the figure.
        flags: (n,) whether the image counts, n ≥ 1.
        params: `confidence` of the interval.

    Returns:
        `name`, `name_low` and `name_high`, 0 to 1.
    """
    from scipy.stats import binomtest

    interval: Any = binomtest(int(flags.sum()), len(flags)).proportion_ci(params.confidence, method="wilson")
    return {name: float(flags.mean()), f"{name}_low": float(interval.low), f"{name}_high": float(interval.high)}


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


def log_losses(labels: ClassNames, probabilities: Floats, classes: tuple[str, ...]) -> Floats:
    """-ln(probability of the true class) of each image, (n,); a class that `classes` lacks has the probability 0.

    Probabilities are clipped at float32's epsilon, as in scikit-learn, whose own function takes no unknown label.
    """
    of_truth = np.sum(np.where(labels[:, None] == np.array(classes), probabilities, 0), axis=1, dtype=float)
    losses: Floats = -np.log(np.clip(of_truth, np.finfo(np.float32).eps, 1))
    return losses


def metrics_by_class(
    labels: ClassNames, predicted: ClassNames, probabilities: Floats, classes: tuple[str, ...]
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


def single_label_figures(
    labels: ClassNames, predicted: ClassNames, probabilities: Floats, classes: tuple[str, ...]
) -> dict[str, Figure]:
    """Accuracy, balanced accuracy, macro F1, log loss and ROC AUC as functions of the images' weights.

    Balanced accuracy (mean recall) and macro F1 are means over the classes that the labels hold; `roc_auc` is the
    positive (second) class's in a binary problem, else the mean over the classes that have one. Arguments as in
    `classification_metrics`.
    """
    truth, claimed = (names[:, None] == np.array(classes) for names in (labels, predicted))
    rated = slice(1, 2) if len(classes) == 2 else slice(None)
    return {
        "accuracy": mean_of(labels == predicted),
        "balanced_accuracy": resampling.recalls(truth, claimed),
        "macro_f1": resampling.macro_f1(truth, claimed),
        "log_loss": mean_of(log_losses(labels, probabilities, classes)),
        "roc_auc": mean_over_classes(resampling.roc_area, truth[:, rated], probabilities[:, rated]),
    }


def classification_metrics(
    labels: ClassNames,
    predicted: ClassNames,
    confidence: Floats,
    probabilities: Floats,
    classes: tuple[str, ...],
    params: Evaluate,
) -> dict[str, Any]:
    """All figures of one set of images.

    Args:
        labels: (n,) names of the true classes, n ≥ 1; one that is not in `classes` counts as wrongly classified.
        predicted: (n,) names of the predicted classes, which need not be in `classes`.
        confidence: (n,) their probabilities.
        probabilities: (n, classes) in the order of `classes`.
        classes: names.
        params: resamples and confidence of the intervals.

    Returns:
        n; accuracy, balanced_accuracy, macro_f1, log_loss, roc_auc (see `single_label_figures`), each with its interval
        as `_low` and `_high`; expected_calibration_error, and per_class (see there).
    """
    correct = labels == predicted
    figures = single_label_figures(labels, predicted, probabilities, classes)
    del figures["accuracy"]
    return {
        "n": len(labels),
        **share("accuracy", correct, params),
        **with_intervals(figures, len(labels), params),
        "expected_calibration_error": expected_calibration_error(confidence, correct),
        "per_class": metrics_by_class(labels, predicted, probabilities, classes),
    }
