"""Calibration: how well a model's probabilities agree with its accuracy."""

import numpy as np
import pandas as pd

from transferline.arrays import Flags, Floats

BINS = 15
UNSCALED_ERROR = "expected_calibration_error_without_temperature"  # the name of the metric


def calibration_bins(confidence: Floats, correct: Flags) -> pd.DataFrame:
    """Groups images by confidence into `BINS` bins of equal width; empty bins are left out.

    Args:
        confidence: (n,) the probability of the predicted class, 0 to 1.
        correct: (n,) bool.

    Returns:
        One row per bin, with the bin's number as index. Columns: `count`, and the means `confidence` and `accuracy`.
    """
    number = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    frame = pd.DataFrame({"confidence": confidence.astype(float), "accuracy": correct.astype(float)})
    grouped = frame.groupby(number)
    return grouped.mean().assign(count=grouped.size())


def calibration_gaps(confidence: Floats, correct: Flags) -> Floats:
    """Returns each image's part of the gap between accuracy and confidence in each bin, (n, BINS).

    The sum over the bins of the absolute means over the images is the `expected_calibration_error`. Both arrays are
    (n, k): k predictions for each image.
    """
    number = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = correct - confidence.astype(float)
    return np.stack([np.where(number == one, gaps, 0).mean(axis=1) for one in range(BINS)], axis=1)


def without_temperature(probabilities: Floats, temperature: float) -> Floats:
    """Returns the probabilities that a model would predict if it did not divide its logits by a temperature.

    Args:
        probabilities: (…, classes), 0 to 1, with the sum 1.
        temperature: above 0.
    """
    powers = probabilities.astype(float) ** temperature
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def expected_calibration_error(confidence: Floats, correct: Flags) -> float:
    """Returns the mean distance between confidence and accuracy over the bins, weighted by their number of images.

    Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017, equation 3. Arguments as in
    `calibration_bins`.
    """
    bins = calibration_bins(confidence, correct)
    return float(np.average((bins["accuracy"] - bins["confidence"]).abs(), weights=bins["count"]))
