"""An augmentation of your own as an example."""

import numpy as np


def solarize(image: np.ndarray, threshold: float) -> np.ndarray:
    """Inverts what is brighter than the threshold, as an overexposed film does."""
    return np.where(image > threshold, 255 - image, image)
