"""Figures of a classifier with any number of labels per image.

The definitions are those of Zhang and Zhou, A Review on Multi-Label Learning Algorithms, IEEE Transactions on Knowledge
and Data Engineering 26, 2014, and of scikit-learn.
"""

from typing import Any

import numpy as np

from transferline.arrays import Flags, Floats
from transferline.metrics import resampling
from transferline.metrics.classification import expected_calibration_error, share
from transferline.metrics.resampling import Figure, mean_of, mean_over_classes, with_intervals
from transferline.params import Evaluate


def pair_losses(truth: Flags, probabilities: Floats) -> Floats:
    """The binary cross-entropy of each pair of image and class, (n, classes), with probabilities clipped at float32's
    epsilon."""
    of_truth = np.where(truth, probabilities, 1 - probabilities.astype(float))
    losses: Floats = -np.log(np.clip(of_truth, np.finfo(np.float32).eps, 1))
    return losses


def multilabel_figures(truth: Flags, predicted: Flags, probabilities: Floats) -> dict[str, Figure]:
    """Mean average precision, micro and macro F1, Hamming loss, subset accuracy and log loss as functions of the
    images' weights.

    Mean average precision and macro F1 are means over the classes that the truth holds. Hamming loss is the share of
    wrong pairs of image and class, subset accuracy that of the images without a wrong one, log loss the mean over the
    pairs. Arguments as in `multilabel_metrics`.
    """
    wrong = truth != predicted
    return {
        "mean_average_precision": mean_over_classes(resampling.average_precision, truth, probabilities),
        "micro_f1": resampling.micro_f1(truth, predicted),
        "macro_f1": resampling.macro_f1(truth, predicted),
        "hamming_loss": mean_of(wrong.mean(axis=1)),
        "subset_accuracy": mean_of(~wrong.any(axis=1)),
        "log_loss": mean_of(pair_losses(truth, probabilities).mean(axis=1)),
    }


def metrics_by_label(
    truth: Flags, predicted: Flags, probabilities: Floats, classes: tuple[str, ...]
) -> dict[str, dict[str, float | None]]:
    """Average precision, precision, recall, F1, support and ROC AUC of each class.

    Average precision is None where no image has the class; the area also where every image has it.
    """
    from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

    result: dict[str, dict[str, float | None]] = {}
    for name, true, claimed, column in zip(classes, truth.T, predicted.T, probabilities.T, strict=True):
        precision, recall, f1, _ = precision_recall_fscore_support(true, claimed, average="binary", zero_division=0)
        support = int(true.sum())
        result[name] = {
            "average_precision": float(average_precision_score(true, column)) if support else None,
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
            "support": support,
            "roc_auc": float(roc_auc_score(true, column)) if 0 < support < len(true) else None,
        }
    return result


def multilabel_metrics(
    truth: Flags, predicted: Flags, probabilities: Floats, classes: tuple[str, ...], params: Evaluate
) -> dict[str, Any]:
    """All figures of one set of images.

    Args:
        truth: (n, classes) which labels each image has, n ≥ 1.
        predicted: (n, classes) which it is said to have.
        probabilities: (n, classes), 0 to 1.
        classes: names.
        params: resamples and confidence of the intervals.

    Returns:
        n; the figures of `multilabel_figures`, each with its interval as `_low` and `_high`;
        expected_calibration_error, of the probability of each pair against the share of labels that are there; and
        per_class (see there).
    """
    figures = multilabel_figures(truth, predicted, probabilities)
    del figures["subset_accuracy"]
    return {
        "n": len(truth),
        **with_intervals(figures, len(truth), params),
        **share("subset_accuracy", (truth == predicted).all(axis=1), params),
        "expected_calibration_error": expected_calibration_error(probabilities.ravel(), truth.ravel()),
        "per_class": metrics_by_label(truth, predicted, probabilities, classes),
    }
