"""Class activation maps: the exact share of each place of the last feature map in a logit.

Source: B. Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from transferline.arrays import Float32s, Pixels
from transferline.models.backbone_cut import inputs_by_operation
from transferline.models.exported import load_keras_model

WITHOUT_EFFECT = (keras.layers.Dropout, keras.layers.Identity)  # on predictions


class ClassActivation:
    """The class activation of a network whose logits are a linear function of an averaged feature map.

    Args:
        feature_map: from images to the feature map, (n, height, width, channels).
        kernel: of the last layer, (channels, logits).
    """

    def __init__(self, feature_map: keras.Model, kernel: Float32s):
        self._feature_map = feature_map
        self._kernel = kernel

    def maps(self, image: Pixels) -> Float32s:
        """Returns the share of each place in each logit, (height, width, logits).

        The sum over all places plus the bias of the last layer is the logit.

        Args:
            image: (size, size, channels) uint8.
        """
        (features,) = np.asarray(self._feature_map(image[None], training=False))
        shares: Float32s = features @ self._kernel / (features.shape[0] * features.shape[1])
        return shares


def class_activation(folder: Path) -> ClassActivation | None:
    """Returns the class activation of the model in a folder; None if the model has no pooled linear head.

    In such a model, only layers that do nothing in predictions are between the global average pool and the last layer.
    The pool is in the model of the candidate's own layers, or the layer before that model.
    """
    model = load_keras_model(folder)
    places = [place for place, layer in enumerate(model.layers) if isinstance(layer, keras.Model)]
    if not places or not isinstance(last := model.layers[places[-1]].layers[-1], keras.layers.Dense):
        return None
    head, before = model.layers[places[-1]], model.layers[places[-1] - 1]
    pool = _last_before(head, last)
    kernel = np.asarray(last.kernel)
    if isinstance(pool, keras.layers.InputLayer) and _averages(before):
        return ClassActivation(keras.Model(model.input, before.input), kernel)
    if _averages(pool):
        inner = keras.Model(head.input, pool.input)
        return ClassActivation(keras.Model(model.input, inner(before.output)), kernel)
    return None


def _last_before(head: keras.Model, layer: Any) -> Any:
    """Returns the last layer before `layer` that has an effect."""
    read = inputs_by_operation(head)
    (layer,) = read[layer]
    while isinstance(layer, WITHOUT_EFFECT):
        (layer,) = read[layer]
    return layer


def _averages(layer: Any) -> bool:
    return isinstance(layer, keras.layers.GlobalAveragePooling2D)
