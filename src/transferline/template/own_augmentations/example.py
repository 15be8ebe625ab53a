"""An augmentation of your own as an example."""

import numpy as np


def solarize(image: np.ndarray, threshold: float) -> np.ndarray:
    """Inverts values above the threshold, which looks like overexposed film."""
    return np.where(image > threshold, 255 - image, image)
