"""The exported model: raw images to probabilities, with the preprocessing inside."""

import keras

from transferline.models.backbones import CHANNELS, preprocessing
from transferline.models.head import pool
from transferline.params import Pretrained


def assemble(backbone: keras.Model, head: keras.Model, candidate: Pretrained, problem: str) -> keras.Model:
    """Joins a candidate's backbone and head, whose layers and weights the result shares.

    Returns:
        A model from images (n, size, size, channels) uint8 to probabilities float32: for a binary problem (n, 1), that
        of the second class, else (n, classes) with rows that sum to 1.
    """
    size, channels = candidate.image.size, CHANNELS[candidate.image.color]
    image = keras.Input((size, size, channels), dtype="uint8", name="image")
    feature_map = backbone(preprocessing(candidate.backbone.name)(image))
    logits = head(pool(feature_map, candidate.backbone.pooling))
    activation = "sigmoid" if problem == "binary" else "softmax"
    return keras.Model(image, keras.layers.Activation(activation, name="probabilities")(logits))
