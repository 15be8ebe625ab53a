"""Batch normalisation folded into the convolution before it: the same function with fewer passes over memory."""

from typing import Any

import keras
import numpy as np

from transferline.models.cut import inputs_of

FOLDABLE = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D, keras.layers.Dense)


def fold_batch_normalization(model: keras.Model) -> keras.Model:
    """A model for inference with the same outputs up to rounding, about 1e-5 of their size.

    A linear convolution or dense layer whose only reader is a batch normalisation takes over that one's scale and
    shift, as bias. Other layers are shared with `model`, which stays as it is.
    """
    pairs = _pairs(model)
    absorbed = {normalization.name for normalization in pairs.values()}

    def clone(layer: Any) -> Any:
        return _folded(layer, pairs[layer.name]) if layer.name in pairs else layer

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return args[0] if layer.name in absorbed else layer(*args, **kwargs)

    return keras.models.clone_model(model, clone_function=clone, call_function=call)


def _pairs(model: keras.Model) -> dict[str, Any]:
    """The batch normalisation that each foldable layer, by name, is read by alone."""
    readers: dict[str, list[Any]] = {name: [None] for name in model.output_names}
    for operation in model.operations:
        for source in inputs_of(operation):
            readers.setdefault(source.name, []).append(operation)
    return {
        layer.name: readers[layer.name][0]
        for layer in model.layers
        if isinstance(layer, FOLDABLE) and layer.activation is keras.activations.linear
        if len(readers[layer.name]) == 1 and isinstance(readers[layer.name][0], keras.layers.BatchNormalization)
    }


def _folded(layer: Any, normalization: Any) -> Any:
    """A copy of the layer, with bias, that does what both do."""
    values = keras.ops.convert_to_numpy
    mean, variance = values(normalization.moving_mean), values(normalization.moving_variance)
    scale = 1 / np.sqrt(variance + normalization.epsilon)
    scale = scale * values(normalization.gamma) if normalization.scale else scale
    shift = values(normalization.beta) if normalization.center else 0.0
    *kernels, last = [values(weight) for weight in layer.weights if weight is not layer.bias]
    bias = values(layer.bias) if layer.use_bias else 0.0
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    last = last * (scale.reshape(last.shape[-2:]) if is_depthwise else scale)
    copy = type(layer).from_config({**layer.get_config(), "use_bias": True})
    copy.build(layer.input.shape)
    copy.set_weights([*kernels, last, (bias - mean) * scale + shift])
    return copy
