"""From probabilities to labels: the decision rule of models that predict labels of whole images."""

import numpy as np

from transferline.arrays import Flags, Float32s, Floats
from transferline.metrics.thresholds import decide_labels
from transferline.models.exported import ModelCard

UNSURE = "unsure"


def decide(probabilities: Floats, card: ModelCard) -> Flags:
    """Returns which labels are predicted, (n, classes), from the probabilities of n images.

    These are the labels that pass the card's thresholds. Without thresholds it is the most probable class; of equal
    ones, the first.
    """
    if card.thresholds is not None:
        return decide_labels(probabilities, card.thresholds, card.argmax_fallback)
    chosen: Flags = probabilities.argmax(axis=1)[:, None] == np.arange(probabilities.shape[1])
    return chosen


def reason_without_label(probabilities: Float32s, card: ModelCard) -> str | None:
    """Returns why no label is predicted for an image, from its probabilities, (classes,); None if there is a label."""
    return UNSURE if card.rejection and probabilities.max() < card.rejection.limit else None


def possible_labels(probabilities: Float32s, card: ModelCard) -> tuple[str, ...] | None:
    """Returns the labels of an image that remain possible, the most probable first; None without a `rejection`.

    They are a prediction set of split conformal prediction (see `metrics/rejection.py`). The most probable label always
    remains, and a second one if the model is unsure: more labels never break the promise.
    """
    if card.rejection is None:
        return None
    order = np.argsort(-probabilities, kind="stable")
    least = 2 if reason_without_label(probabilities, card) == UNSURE else 1
    count = max(least, int((probabilities >= card.rejection.possible_limit).sum()))
    return tuple(card.classes[index] for index in order[:count])
