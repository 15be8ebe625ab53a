"""Temperature scaling: one number that divides the logits, so that probabilities agree with the accuracy."""

import numpy as np

from transferline.arrays import Array
from transferline.problems.training import TrainingOfKind

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(kind: TrainingOfKind, logits: Array, targets: Array) -> float:
    """Returns the temperature with the lowest cross-entropy on validation; it changes no order of probabilities.

    Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017. The targets are those of
    `platt_targets`, so that few images without an error do not lower it to `LOWEST`.

    Args:
        kind: the training of the kind of problem.
        logits: (n, outputs).
        targets: a row for each image, as `TrainingOfLabels.targets` returns them.

    Returns:
        A number from `LOWEST` to `HIGHEST`.
    """
    indicators = kind.indicators(targets, logits.shape[1]).astype(np.float64)
    return _lowest(kind, logits, platt_targets(kind, indicators))


def losses_at_best_temperature(kind: TrainingOfKind, logits: Array, targets: Array) -> Array:
    """Returns the cross-entropy of each image with `platt_targets`, (n,), at the temperature with the lowest mean.

    So a training with label smoothing compares fairly with one without, and of two models that are right on all images
    the one with the more even margins has the lower losses. The arguments are those of `fit_temperature`.
    """
    truth = platt_targets(kind, kind.indicators(targets, logits.shape[1]).astype(np.float64))
    losses, _ = kind.cross_entropies(logits / _lowest(kind, logits, truth), truth)
    return np.asarray(losses.mean(axis=1, dtype=np.float64))


def platt_targets(kind: TrainingOfKind, indicators: Array) -> Array:
    """Returns soft targets, (n, outputs): of n images, the true label counts as right for n + 1 of n + 2.

    With 0 and 1 as targets, the best temperature for a few images that are all right is near 0, and all probabilities
    become 0 or 1. After Platt, Probabilistic Outputs for Support Vector Machines, 1999, who counts each class alone.

    Args:
        kind: the training of the kind of problem.
        indicators: (n, outputs) 1 where the label is true, else 0.
    """
    wrong = indicators.shape[1] - 1 if kind.activation == "softmax" else 1  # outputs that share the wrong part
    part = 1 / (len(indicators) + 2)
    return (1 - part) * indicators + part / wrong * (1 - indicators)


def _lowest(kind: TrainingOfKind, logits: Array, truth: Array) -> float:
    """Returns the temperature with the lowest cross-entropy with `truth`."""
    from scipy.optimize import minimize_scalar

    logits = logits.astype(np.float64)

    def loss(logarithm: float) -> float:
        return float(kind.cross_entropies(logits / np.exp(logarithm), truth)[0].mean())

    bounds = np.log(LOWEST), np.log(HIGHEST)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
