"""Figures of a training on validation images: its metric and log loss, and the floor below which nothing is learnt."""

import numpy as np
import pandas as pd

from transferline.arrays import Array
from transferline.metrics.headline import METRIC
from transferline.params import Monitor, Problem


def to_probabilities(logits: Array, problem: Problem) -> Array:
    """Probabilities (n, classes) of logits (n, outputs); in a binary problem of both classes."""
    from scipy.special import expit, softmax

    if problem == "multiclass":
        return np.asarray(softmax(logits.astype(np.float64), axis=1))
    likely = expit(logits.astype(np.float64))
    return np.concatenate([1 - likely, likely], axis=1) if problem == "binary" else np.asarray(likely)


def mean_average_precision(targets: Array, scores: Array) -> float:
    """The mean of scikit-learn's average precision over the classes that an image has. Both (n, classes)."""
    from sklearn.metrics import average_precision_score

    known = targets.any(axis=0)
    return float(average_precision_score(targets[:, known], scores[:, known], average="macro")) if known.any() else 0.0


def figures(targets: Array, probabilities: Array, problem: Problem) -> dict[str, float]:
    """The problem's `METRIC` and `log_loss` in nats, in a multilabel problem the mean over pairs of image and class.

    Args:
        targets: as `datasets.tables.targets` gives them.
        probabilities: (n, classes).
        problem: which metric.
    """
    from sklearn.metrics import log_loss

    if problem == "multilabel":
        value = mean_average_precision(targets, probabilities)
        loss = log_loss(targets.ravel(), probabilities.ravel(), labels=[0, 1])
    else:
        value = float((probabilities.argmax(axis=1) == targets[:, 0]).mean())
        loss = log_loss(targets[:, 0], probabilities, labels=np.arange(probabilities.shape[1]))
    return {METRIC[problem]: value, "log_loss": float(loss)}


def class_counts(targets: Array, classes: int, problem: Problem) -> Array:
    """How often each class is a label, (classes,); of segmentation `targets` are pixels by image and class."""
    return (
        targets.sum(axis=0)
        if problem in ("multilabel", "segmentation")
        else np.bincount(targets[:, 0], minlength=classes)
    )


def majority_figures(train: Array, validation: Array, classes: int, problem: Problem) -> dict[str, float]:
    """`figures` on validation of always answering with the class frequencies of train."""
    frequencies = class_counts(train, classes, problem) / len(train)
    return figures(validation, np.tile(frequencies, (len(validation), 1)), problem)


def best_epoch(history: pd.DataFrame, monitor: Monitor) -> int:
    """The number of the epoch whose weights are kept: the best by `monitor`, the first of equals."""
    monitored = history[monitor].to_numpy()
    best = monitored.argmin() if monitor == "val_loss" else monitored.argmax()
    return int(history["epoch"].iloc[best])
