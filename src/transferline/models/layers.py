"""Builds the layers that `params.yaml` lists as a Keras model: a head on a backbone, or a whole network."""

from typing import Any, NoReturn

import keras
from keras import layers

from transferline import params
from transferline.errors import TransferlineError
from transferline.models.networks import own_network
from transferline.params.problem_kinds import KINDS

POOLING = {
    "avg": layers.GlobalAveragePooling2D,
    "max": layers.GlobalMaxPooling2D,
    "levels": layers.Flatten,  # the backbone outputs averages
    "none": layers.Identity,
}
PLAIN = {
    "batch_normalization": layers.BatchNormalization,
    "relu": layers.ReLU,
    "flatten": layers.Flatten,
    "global_average_pool": layers.GlobalAveragePooling2D,
    "global_max_pool": layers.GlobalMaxPooling2D,
}
POOL = {"max_pool": layers.MaxPooling2D, "average_pool": layers.AveragePooling2D}
ON_A_MAP = ("conv", *POOL, "global_average_pool", "global_max_pool")


def pool(feature_map: Any, kind: str) -> Any:
    """Pools the output of a backbone, (n, height, width, channels), to (n, channels); the kind none keeps it."""
    return POOLING[kind](name="pool")(feature_map)


def outputs(problem: params.Problem, classes: int) -> int:
    """Returns the number of logits of an image: 1 in a binary problem, for the second class, else one per class."""
    return 1 if KINDS[problem].classes == 2 else classes


def build_layers(shape: tuple[int, ...], listed: params.Layers, problem: params.Problem, classes: int) -> keras.Model:
    """Builds the listed layers, or the network that `listed` names, from an input of `shape` to logits (n, `outputs`).

    Args:
        shape: (height, width, channels) of an image or a feature map, or (features,) of a vector.
        listed: the params of the layers, or the import path of a function.
        problem: the kind of problem; binary has one logit.
        classes: the number of classes.

    Raises:
        TransferlineError: a layer does not accept the output of the layer before it. The message names the layer by its
            position in the list, counted from 0.
    """
    if isinstance(listed, str):
        return own_network(listed, shape, outputs(problem, classes))
    inputs = x = layers.Input(shape, name="input")
    for place, layer in enumerate(listed):
        x = _join(x, layer, place)
    if len(x.shape) != 2:
        raise TransferlineError(
            f"layers: the last one outputs a feature map {_text(x)}, but the logits after it need a vector; "
            "add flatten, global_average_pool or global_max_pool"
        )
    logits = layers.Dense(outputs(problem, classes), name="logits")(x)
    return keras.Model(inputs, logits, name="layers")


def _join(x: Any, layer: params.Layer, place: int) -> Any:
    """Returns the output of a layer for the input `x`."""
    if layer.kind in ON_A_MAP and len(x.shape) != 4:
        _refuse(layer, place, f"needs a feature map, but gets a vector {_text(x)}")
    if layer.kind == "dense" and len(x.shape) != 2:
        _refuse(layer, place, f"needs a vector, but gets a feature map {_text(x)}; put flatten or a global pool before")
    try:
        joined = _build(layer, f"layers_{place}_{layer.kind}")(x)
    except ValueError:
        joined = None
    if joined is None or 0 in joined.shape:
        _refuse(layer, place, f"is larger than the feature map {_text(x)}; make it smaller, or set padding: same")
    return joined


def _refuse(layer: params.Layer, place: int, reason: str) -> NoReturn:
    raise TransferlineError(f"layers.{place} ({layer.kind}): {reason}")


def _text(tensor: Any) -> str:
    return "×".join(map(str, tensor.shape[1:]))


def _build(layer: params.Layer, name: str) -> keras.layers.Layer:
    match layer:
        case params.Conv():
            return layers.Conv2D(
                layer.filters, layer.kernel, layer.strides, layer.padding, activation=layer.activation, name=name
            )
        case params.Dense():
            return layers.Dense(layer.units, layer.activation, name=name)
        case params.Pool():
            return POOL[layer.kind](layer.size, padding=layer.padding, name=name)
        case params.Dropout():
            return layers.Dropout(layer.rate, name=name)
        case params.Rescale():
            return layers.Rescaling((layer.high - layer.low) / 255, layer.low, name=name)
    return PLAIN[layer.kind](name=name)
