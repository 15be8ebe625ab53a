"""From probabilities to labels: the decision rule of models that predict labels of whole images."""

import numpy as np

from transferline.arrays import Flags, Floats
from transferline.metrics.thresholds import decide_labels
from transferline.models.exported import ModelCard


def decide(probabilities: Floats, card: ModelCard) -> Flags:
    """Returns which labels are predicted, (n, classes), from the probabilities of n images.

    These are the labels that pass the card's thresholds. Without thresholds it is the most probable class; of equal
    ones, the first.
    """
    if card.thresholds is not None:
        return decide_labels(probabilities, card.thresholds, card.argmax_fallback)
    chosen: Flags = probabilities.argmax(axis=1)[:, None] == np.arange(probabilities.shape[1])
    return chosen
