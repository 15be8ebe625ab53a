"""Class activation maps: the exact share of each place of the averaged feature maps in a logit.

Source: B. Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from transferline.arrays import Float32s, Floats, Pixels
from transferline.models.backbone_cut import inputs_by_operation
from transferline.models.exported import load_keras_model

WITHOUT_EFFECT = (keras.layers.Dropout, keras.layers.Identity)  # on predictions


class ClassActivation:
    """The class activation of a network whose logits are a linear function of averaged feature maps.

    Args:
        feature_maps: from images to a list of feature maps, each (n, height, width, channels), the largest first.
        kernel: of the last layer, (channels of all maps, logits).
    """

    def __init__(self, feature_maps: keras.Model, kernel: Float32s):
        self._feature_maps = feature_maps
        self._kernel = kernel

    def maps(self, image: Pixels) -> Float32s:
        """Returns the share of each place in each logit, (height, width, logits), in the size of the largest map.

        The sum over all places plus the bias of the last layer is the logit.

        Args:
            image: (size, size, channels) uint8.
        """
        outputs = keras.tree.flatten(self._feature_maps(image[None], training=False))
        features = [np.asarray(each)[0] for each in outputs]
        kernels = np.split(self._kernel, np.cumsum([each.shape[-1] for each in features])[:-1])
        shares = [each @ kernel / each[..., 0].size for each, kernel in zip(features, kernels, strict=True)]
        height, width, _ = shares[0].shape
        resized = [
            np.einsum("yh,hwl,xw->yxl", _spread(each.shape[0], height), each, _spread(each.shape[1], width))
            for each in shares
        ]
        return np.asarray(sum(resized), np.float32)


def _spread(cells: int, places: int) -> Floats:
    """Returns the part of each cell of a line that lies in each place of another line, (places, cells)."""
    ends = np.arange(places + 1)[:, None] / places * cells
    inside = np.clip(ends - np.arange(cells), 0, 1)
    parts: Floats = np.diff(inside, axis=0)
    return parts


def class_activation(folder: Path) -> ClassActivation | None:
    """Returns the class activation of the model in a folder; None if the model has no pooled linear head.

    In such a model, only layers that do nothing in predictions are between the global average pools and the last layer.
    The pool is in the model of the candidate's own layers, or the layer before that model. With `pooling: levels`, the
    pools are in the backbone.
    """
    model = load_keras_model(folder)
    places = [place for place, layer in enumerate(model.layers) if isinstance(layer, keras.Model)]
    if not places or not isinstance(last := model.layers[places[-1]].layers[-1], keras.layers.Dense):
        return None
    *earlier, head = model.layers[: places[-1] + 1]
    before = earlier[-1]
    pool = _last_before(head, last)
    if isinstance(pool, keras.layers.InputLayer):
        maps = [before.input] if _averages(before) else _levels(earlier)
    else:
        maps = [keras.Model(head.input, pool.input)(before.output)] if _averages(pool) else []
    return ClassActivation(keras.Model(model.input, maps), np.asarray(last.kernel)) if maps else None


def _levels(layers: list[Any]) -> list[Any]:
    """Returns the feature maps whose averages the last but one layer joins; none if that is no such backbone."""
    if len(layers) < 3 or not isinstance(backbone := layers[-2], keras.Model):
        return []
    last = backbone.layers[-1]
    pools = [last] if _averages(last) else inputs_by_operation(backbone)[last]
    if not all(map(_averages, pools)):
        return []
    maps = keras.Model(backbone.input, [pool.input for pool in pools])(layers[-3].output)
    return list(keras.tree.flatten(maps))


def _last_before(head: keras.Model, layer: Any) -> Any:
    """Returns the last layer before `layer` that has an effect."""
    read = inputs_by_operation(head)
    (layer,) = read[layer]
    while isinstance(layer, WITHOUT_EFFECT):
        (layer,) = read[layer]
    return layer


def _averages(layer: Any) -> bool:
    return isinstance(layer, keras.layers.GlobalAveragePooling2D)
