"""The exported model: raw images to probabilities, with the preprocessing inside."""

from collections.abc import Callable
from typing import Any

import keras

from transferline.models.backbones import image_shape, preprocessing
from transferline.models.layers import pool
from transferline.params import DeepLab, Image, Pretrained, Problem


def assemble(backbone: keras.Model, head: keras.Model, candidate: Pretrained, problem: Problem) -> keras.Model:
    """Joins a candidate's backbone and head, whose layers and weights the result shares.

    Returns:
        A model from images (n, size, size, channels) uint8 to probabilities float32: for a binary problem (n, 1), that
        of the second class, else (n, classes), whose rows sum to 1 unless the problem is multilabel.
    """
    prepare = preprocessing(candidate.backbone.name)
    return _export(
        lambda image: head(pool(backbone(prepare(image)), candidate.backbone.pooling)), candidate.image, problem
    )


def assemble_network(network: keras.Model, image: Image, problem: Problem) -> keras.Model:
    """The same of a network without a backbone, which takes pixels of 0 to 255 in float32."""
    as_float = keras.layers.Rescaling(1.0, name="as_float")
    return _export(lambda pixels: network(as_float(pixels)), image, problem)


def assemble_segmentation(encoder: keras.Model, decoder: keras.Model, candidate: DeepLab) -> keras.Model:
    """Joins the parts of a segmentation network: from images (n, size, size, channels) uint8 to the probabilities of
    each pixel's classes, (n, size, size, classes) float32."""
    prepare = preprocessing(candidate.backbone.name)
    return _export(lambda image: decoder(encoder(prepare(image))), candidate.image, "segmentation")


def _export(logits: Callable[[Any], Any], image: Image, problem: Problem) -> keras.Model:
    pixels = keras.Input(image_shape(image), dtype="uint8", name="image")
    activation = "softmax" if problem in ("multiclass", "segmentation") else "sigmoid"
    return keras.Model(pixels, keras.layers.Activation(activation, name="probabilities")(logits(pixels)))
