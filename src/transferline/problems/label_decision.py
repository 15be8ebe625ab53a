"""From probabilities to labels: the decision rule of models that predict labels of whole images."""

import numpy as np

from transferline.arrays import Flags, Floats
from transferline.metrics.thresholds import decide_labels
from transferline.models.exported import ModelCard


def decide(probabilities: Floats, card: ModelCard) -> Flags:
    """Which labels are predicted, (n, classes), from the probabilities of n images: those that pass the card's
    thresholds, or, of a card without any, the most probable class, the first of equals."""
    if card.thresholds is not None:
        return decide_labels(probabilities, card.thresholds, card.argmax_fallback)
    chosen: Flags = probabilities.argmax(axis=1)[:, None] == np.arange(probabilities.shape[1])
    return chosen
