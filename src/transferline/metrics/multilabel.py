"""The metrics of a classifier with any number of labels per image.

Each function takes `LabelledImages`. The definitions are those of Zhang and Zhou, A Review on Multi-Label Learning
Algorithms, IEEE Transactions on Knowledge and Data Engineering 26, 2014, and of scikit-learn.
"""

import numpy as np

from transferline.arrays import Flags, Floats
from transferline.metrics import resampling
from transferline.metrics.labelled_images import LabelledImages
from transferline.metrics.metric_table import MetricTable, metric, share
from transferline.metrics.resampling import Figure, mean_of, mean_over_classes

MULTILABEL: MetricTable = {}


@metric(MULTILABEL)
def mean_average_precision(images: LabelledImages) -> Figure:
    """The mean of the average precision over the classes that occur among the true labels."""
    return mean_over_classes(resampling.average_precision, images.truth, images.probabilities)


@metric(MULTILABEL)
def micro_f1(images: LabelledImages) -> Figure:
    """F1 over all pairs of image and class."""
    return resampling.micro_f1(images.truth, images.predicted)


@metric(MULTILABEL)
def macro_f1(images: LabelledImages) -> Figure:
    """The mean F1 over the classes that occur among the true labels."""
    return resampling.macro_f1(images.truth, images.predicted)


@metric(MULTILABEL, is_loss=True)
def hamming_loss(images: LabelledImages) -> Figure:
    """The share of wrong pairs of image and class."""
    return mean_of((images.truth != images.predicted).mean(axis=1))


@share(MULTILABEL)
def subset_accuracy(images: LabelledImages) -> Flags:
    """The share of images without a wrong pair of image and class."""
    right: Flags = np.all(images.truth == images.predicted, axis=1)
    return right


@metric(MULTILABEL, is_loss=True, is_bounded=False)
def log_loss(images: LabelledImages) -> Figure:
    """The mean binary cross-entropy of the pairs of image and class, in nats."""
    return mean_of(pair_losses(images.truth, images.probabilities).mean(axis=1))


def pair_losses(truth: Flags, probabilities: Floats) -> Floats:
    """Computes the binary cross-entropy of each pair of image and class, (n, classes), in nats.

    Probabilities are clipped at float32's epsilon.
    """
    of_truth = np.where(truth, probabilities, 1 - probabilities.astype(float))
    losses: Floats = -np.log(np.clip(of_truth, np.finfo(np.float32).eps, 1))
    return losses


def average_precisions(images: LabelledImages) -> Floats:
    """Computes the average precision of each class, (classes,); NaN for a class that no image has."""
    pairs = zip(images.truth.T, images.probabilities.T, strict=True)
    return np.concatenate([resampling.average_precision(*pair, np.ones((1, len(images)))) for pair in pairs])
