"""The exported model: it takes raw images, includes the preprocessing, and returns probabilities."""

from typing import Any, NamedTuple

import keras

from transferline.models.backbones import image_shape, preprocessing
from transferline.models.layers import pool
from transferline.params import DeepLab, Image, Pretrained, Problem
from transferline.problems.training import training_of


class Exported(NamedTuple):
    """Two models with the same layers. Both take images, (n, size, size, channels) uint8.

    Attributes:
        model: returns probabilities, float32. For a binary problem they are (n, 1), that of the second class; for a
            segmentation (n, size, size, classes); else (n, classes). Unless the problem is multilabel, rows sum to 1.
        outputs: returns the outputs of `model.tflite`: the same probabilities, but (n, 2) for a binary problem. If
            the last layer takes a vector, that vector is a second output.
    """

    model: keras.Model
    outputs: keras.Model


def assemble(backbone: keras.Model, head: keras.Model, candidate: Pretrained, problem: Problem) -> Exported:
    """Joins a candidate's backbone and head. The result shares their layers and weights."""
    pixels = _pixels(candidate.image)
    prepared = preprocessing(candidate.backbone.name)(pixels)
    return _export(pixels, pool(backbone(prepared), candidate.backbone.pooling), head, problem)


def assemble_network(network: keras.Model, image: Image, problem: Problem) -> Exported:
    """Adds input and output to a network without a backbone, which takes pixels of 0 to 255 in float32."""
    pixels = _pixels(image)
    return _export(pixels, keras.layers.Rescaling(1.0, name="as_float")(pixels), network, problem)


def assemble_segmentation(encoder: keras.Model, decoder: keras.Model, candidate: DeepLab, problem: Problem) -> Exported:
    """Joins the parts of a segmentation network."""
    pixels = _pixels(candidate.image)
    encoded = encoder(preprocessing(candidate.backbone.name)(pixels))
    model = keras.Model(pixels, _probabilities(problem)(decoder(encoded)))
    return Exported(model, model)


def with_temperature(exported: Exported, temperature: float, problem: Problem) -> Exported:
    """Returns the same models with their logits divided by a temperature. The result shares the layers and weights."""
    probabilities = [
        _probabilities(problem)(keras.layers.Rescaling(1 / temperature, name="temperature")(logits))
        for logits in (model.get_layer("probabilities").input for model in exported)
    ]
    vector = exported.outputs.outputs[1:]
    return Exported(
        keras.Model(exported.model.input, probabilities[0]),
        keras.Model(exported.outputs.input, [_of_all_classes(probabilities[1]), *vector]),
    )


def _pixels(image: Image) -> Any:
    return keras.Input(image_shape(image), dtype="uint8", name="image")


def _probabilities(problem: Problem) -> keras.layers.Layer:
    return keras.layers.Activation(training_of(problem).activation, name="probabilities")


def _export(pixels: Any, features: Any, head: keras.Model, problem: Problem) -> Exported:
    model = keras.Model(pixels, _probabilities(problem)(head(features)))
    vector, logits = _last_layer(features, head)
    return Exported(model, keras.Model(pixels, [_of_all_classes(_probabilities(problem)(logits)), *vector]))


def _of_all_classes(probabilities: Any) -> Any:
    """Returns both columns for a binary problem."""
    if probabilities.shape[-1] > 1:
        return probabilities
    return keras.layers.Concatenate()([1 - probabilities, probabilities])


def _last_layer(features: Any, head: keras.Model) -> tuple[list[Any], Any]:
    """Returns the input of the head's last layer, if it is a vector, and the output of that layer."""
    last = head.layers[-1]
    if not isinstance(last, keras.layers.Dense) or last.output is not head.output or len(last.input.shape) != 2:
        return [], head(features)
    vector = features if last.input is head.input else keras.Model(head.input, last.input)(features)
    return [vector], last(vector)
