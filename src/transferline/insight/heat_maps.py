"""Heat maps: which parts of an image a prediction depends on."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from transferline.arrays import Float32s, Pixels
from transferline.insight.occlusion import occlusion_maps
from transferline.models.exported import MODEL_FILE, ModelCard
from transferline.models.lite import LiteModel
from transferline.params.problem_kinds import KINDS
from transferline.quiet import quiet_imports

CLASS_ACTIVATION = "class activation: the share of each place of the feature maps in the class's logit"
OCCLUSION = "occlusion: how much the class's log-odds fall where a square of its mean colour covers the image"


class HeatMaps(NamedTuple):
    """Draws the heat maps of one model.

    Attributes:
        method: what a value means, in words.
        of: from an image, (size, size, channels) uint8, and the positions of some classes to their maps,
            (height, width, classes) float32. High values support the class.
    """

    method: str
    of: Callable[[Pixels, list[int]], Float32s]


def heat_maps(card: ModelCard, model: LiteModel, folder: Path | None) -> HeatMaps:
    """Returns the heat maps of a model: class activation if it has a pooled linear head, else occlusion.

    Class activation reads `model.keras`, since `model.tflite` does not output the feature map. Models that output no
    vector before their last layer need no TensorFlow.

    Args:
        card: the card of the model.
        model: the exported model.
        folder: the model folder; None for a model without one.
    """
    if folder and (folder / MODEL_FILE).exists() and len(model.output_shapes) > 1:
        with quiet_imports():
            from transferline.insight.class_activation import class_activation

        if activation := class_activation(folder):
            return HeatMaps(
                CLASS_ACTIVATION, lambda image, classes: compared(activation.maps(image), card)[..., classes]
            )
    return HeatMaps(OCCLUSION, lambda image, classes: occlusion_maps(model, image, classes))


def compared(shares: Float32s, card: ModelCard) -> Float32s:
    """Returns the shares in logits as shares for each class, (height, width, classes).

    For exclusive classes, what all logits have in common has no effect on the probabilities, so the mean is subtracted.
    A binary model has one logit, that of the second class.
    """
    if shares.shape[-1] < len(card.classes):
        return np.concatenate([-shares, shares], axis=-1)
    if KINDS[card.problem].several_labels:
        return shares
    difference: Float32s = shares - shares.mean(axis=-1, keepdims=True)
    return difference


def peak(heat: Float32s) -> tuple[float, float]:
    """Returns the place of the highest value of a map, (height, width): x and y as fractions of width and height.

    It is the mean of all places that have the value.
    """
    rows, columns = np.nonzero(heat == heat.max())
    return (float(columns.mean()) + 0.5) / heat.shape[1], (float(rows.mean()) + 0.5) / heat.shape[0]
