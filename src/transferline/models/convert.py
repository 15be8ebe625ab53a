"""Converts Keras models for LiteRT."""

import re
from typing import Any

import keras
import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError

from transferline.errors import TransferlineError
from transferline.quiet import without_native_messages

OPERATION = re.compile(r"\btf\.([A-Z]\w+)")


def convert(model: keras.Model, name: str) -> bytes:
    """Returns the content of a `.tflite` file that predicts as the model does in inference mode, except for rounding.

    Args:
        model: a functional model; all sizes except the batch size must be fixed. Later changes of its weights have no
            effect on the result.
        name: the name of the model in an error message.

    Raises:
        TransferlineError: LiteRT lacks an operation of the model; the message names it.
    """
    with without_native_messages():
        # With a trackable object as second argument, the converter writes a SavedModel, takes twice as long and sorts
        # inputs and outputs by name.
        converter = tf.lite.TFLiteConverter.from_concrete_functions([graph(model)])
        try:
            return bytes(converter.convert())
        except ConverterError as error:
            lacking = ", ".join(sorted(set(OPERATION.findall(str(error))))) or str(error).splitlines()[0]
            raise TransferlineError(
                f"{name} cannot be exported: LiteRT, which computes the predictions, has no operation for {lacking}; "
                "build the network from other layers"
            ) from error


def graph(model: keras.Model) -> Any:
    """Returns the model as a concrete function for any batch size.

    The weights are constants in it, because LiteRT loses Keras's variables.
    """
    listed = keras.Model(model.inputs, model.outputs)
    variables = (model.trainable_variables, model.non_trainable_variables)
    weights = [[variable.numpy() for variable in each] for each in variables]

    def call(*inputs: Any) -> Any:
        constants = [[tf.constant(weight) for weight in each] for each in weights]
        return tf.nest.flatten(listed.stateless_call(*constants, list(inputs), training=False)[0])

    specs = [tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs]
    return tf.function(call, autograph=False).get_concrete_function(*specs)
