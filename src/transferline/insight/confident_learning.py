"""Confident learning: finds wrong labels by probabilities from models that did not train on the label in question.

Source: C. Northcutt, L. Jiang and I. Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, Journal of
Artificial Intelligence Research 70, 2021.
"""

from typing import NamedTuple

import numpy as np

from transferline.arrays import Counts, Flags, Floats


class Doubts(NamedTuple):
    """The doubts about the labels of n images.

    Attributes:
        score: (n,) the probability of the given label: a low score means a doubtful label.
        suggested: (n,) the number of the most probable other label.
        confident: (n,) whether confident learning counts the label as wrong: see `confidently_wrong`.
    """

    score: Floats
    suggested: Counts
    confident: Flags


def doubts(probabilities: Floats, given: Counts) -> Doubts:
    """Returns the doubts about given labels.

    Args:
        probabilities: (n, labels) out of fold.
        given: (n,) the number of each image's given label.
    """
    rows = np.arange(len(given))
    others = probabilities.copy()
    others[rows, given] = -1
    return Doubts(probabilities[rows, given], others.argmax(axis=1), confidently_wrong(probabilities, given))


def confidently_wrong(probabilities: Floats, given: Counts) -> Flags:
    """Returns which images are off the diagonal of the confident joint, (n,) (section 3.1 of the source).

    A label has a threshold: its mean probability over the images with that label. Labels that reach their threshold are
    confident; the most probable one of an image is its confident label. The image is counted if it is another label
    than the given one. The arguments are those of `doubts`.
    """
    thresholds = np.full(probabilities.shape[1], np.inf)
    for label in np.unique(given):
        thresholds[label] = probabilities[given == label, label].mean()
    confident = np.where(probabilities >= thresholds, probabilities, -1)
    wrong: Flags = (confident.max(axis=1) >= 0) & (confident.argmax(axis=1) != given)
    return wrong
