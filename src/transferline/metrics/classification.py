"""The metrics of a classifier with one label per image.

Each function takes `LabelledImages`. An image whose label is not among the classes counts as wrongly classified.
"""

import numpy as np

from transferline.arrays import Flags, Floats
from transferline.metrics import resampling
from transferline.metrics.labelled_images import LabelledImages
from transferline.metrics.metric_table import MetricTable, metric, share
from transferline.metrics.resampling import Figure, mean_of, mean_over_classes

CLASSIFICATION: MetricTable = {}


@share(CLASSIFICATION)
def accuracy(images: LabelledImages) -> Flags:
    """The share of images whose most probable class is the true one."""
    right: Flags = np.any(images.truth & images.predicted, axis=1)
    return right


@share(CLASSIFICATION)
def top_5_accuracy(images: LabelledImages) -> Flags:
    """The share of images whose true class is among the five most probable ones."""
    of_truth = np.where(images.truth, images.probabilities, 0).sum(axis=1, keepdims=True)
    above: Flags = (images.probabilities > of_truth).sum(axis=1) < 5
    return above & images.truth.any(axis=1)


@metric(CLASSIFICATION)
def balanced_accuracy(images: LabelledImages) -> Figure:
    """The mean recall over the classes that occur among the true labels."""
    return resampling.recalls(images.truth, images.predicted)


@metric(CLASSIFICATION)
def macro_f1(images: LabelledImages) -> Figure:
    """The mean F1 over the classes that occur among the true labels."""
    return resampling.macro_f1(images.truth, images.predicted)


@metric(CLASSIFICATION, is_loss=True, is_bounded=False)
def log_loss(images: LabelledImages) -> Figure:
    """The mean of -ln(probability of the true class), in nats."""
    return mean_of(log_losses(images.truth, images.probabilities))


@metric(CLASSIFICATION)
def roc_auc(images: LabelledImages) -> Figure:
    """The area under the ROC curve: with two classes that of the second class, else the mean over all classes.

    A class whose area is not defined is left out of the mean.
    """
    rated = slice(1, 2) if images.truth.shape[1] == 2 else slice(None)
    return mean_over_classes(resampling.roc_area, images.truth[:, rated], images.probabilities[:, rated])


def log_losses(truth: Flags, probabilities: Floats) -> Floats:
    """Computes -ln(probability of the true class) of each image.

    Probabilities are clipped at float32's epsilon, as in scikit-learn. Its own function does not accept labels that
    are not among the classes; here the probability of such a label is 0.

    Args:
        truth: (n, classes) bool.
        probabilities: (n, classes), 0 to 1.

    Returns:
        (n,) in nats.
    """
    of_truth = np.sum(np.where(truth, probabilities, 0), axis=1, dtype=float)
    losses: Floats = -np.log(np.clip(of_truth, np.finfo(np.float32).eps, 1))
    return losses
