"""The metrics of a classifier with one label per image.

Each takes `LabelledImages`. An image whose label is none of the classes counts as wrongly classified.
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
    """The mean recall of the classes that the images have."""
    return resampling.recalls(images.truth, images.predicted)


@metric(CLASSIFICATION)
def macro_f1(images: LabelledImages) -> Figure:
    """The mean F1 of the classes that the images have."""
    return resampling.macro_f1(images.truth, images.predicted)


@metric(CLASSIFICATION, is_loss=True)
def log_loss(images: LabelledImages) -> Figure:
    """The mean of -ln(probability of the true class), in nats."""
    return mean_of(log_losses(images.truth, images.probabilities))


@metric(CLASSIFICATION)
def roc_auc(images: LabelledImages) -> Figure:
    """The area under the ROC curve: of two classes that of the second, else the mean over the classes that have one."""
    rated = slice(1, 2) if images.truth.shape[1] == 2 else slice(None)
    return mean_over_classes(resampling.roc_area, images.truth[:, rated], images.probabilities[:, rated])


def log_losses(truth: Flags, probabilities: Floats) -> Floats:
    """-ln(probability of the true class) of each image, (n,), from (n, classes) each; a class that is none of these has
    the probability 0.

    Probabilities are clipped at float32's epsilon, as in scikit-learn, whose own function takes no unknown label.
    """
    of_truth = np.sum(np.where(truth, probabilities, 0), axis=1, dtype=float)
    losses: Floats = -np.log(np.clip(of_truth, np.finfo(np.float32).eps, 1))
    return losses
