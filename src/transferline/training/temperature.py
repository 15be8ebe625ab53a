"""Temperature scaling: one number that divides the logits, so that probabilities agree with the accuracy."""

import numpy as np

from transferline.arrays import Array
from transferline.problems.training import TrainingOfKind

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(kind: TrainingOfKind, logits: Array, targets: Array) -> float:
    """Returns the temperature with the lowest cross-entropy on validation; it changes no order of probabilities.

    Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017. If all of a few images are
    right, the lowest cross-entropy has a temperature near 0, and all probabilities become 0 or 1. So the targets are
    those of Platt (Probabilistic Outputs for Support Vector Machines, 1999): of n images, the true label counts as
    right for n + 1 of n + 2. If the temperature found is not better than 1 for the true targets, it is 1.

    Args:
        kind: the training of the kind of problem.
        logits: (n, outputs).
        targets: a row for each image, as `TrainingOfLabels.targets` returns them.

    Returns:
        A number from `LOWEST` to `HIGHEST`.
    """
    from scipy.optimize import minimize_scalar

    logits = logits.astype(np.float64)
    indicators = kind.indicators(targets, logits.shape[1]).astype(np.float64)
    wrong = logits.shape[1] - 1 if kind.activation == "softmax" else 1  # outputs that share the part of the wrong ones
    part = 1 / (len(logits) + 2)
    smoothed = (1 - part) * indicators + part / wrong * (1 - indicators)

    def loss(logarithm: float, truth: Array) -> float:
        return float(kind.cross_entropies(logits / np.exp(logarithm), truth)[0].mean())

    bounds = np.log(LOWEST), np.log(HIGHEST)
    found = float(minimize_scalar(loss, bounds=bounds, args=(smoothed,), method="bounded").x)
    return float(np.exp(found)) if loss(found, indicators) < loss(0.0, indicators) else 1.0
