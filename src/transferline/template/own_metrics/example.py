"""A metric as an example; `own_metrics/__init__.py` describes the requirements."""

import numpy as np


def brier_score(truth: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]) -> float:
    """Returns the squared error, summed over the classes, as the mean over the images: 0 to 2.

    Brier, Verification of Forecasts Expressed in Terms of Probability, Monthly Weather Review 78, 1950.
    """
    return float(np.square(probabilities - truth).sum(axis=1).mean())
