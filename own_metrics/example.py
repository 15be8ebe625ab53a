"""A metric, to start from; `own_metrics/__init__.py` says what it has to be."""

import numpy as np


def brier_score(truth: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]) -> float:
    """The mean over the images of the sum over the classes of the squared error, 0 to 2 (Brier, Verification of
    Forecasts Expressed in Terms of Probability, Monthly Weather Review 78, 1950)."""
    return float(np.square(probabilities - truth).sum(axis=1).mean())
