"""Keras models as LiteRT takes them."""

import re
from typing import Any

import keras
import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError

from transferline.errors import TransferlineError
from transferline.quiet import without_native_messages

OPERATION = re.compile(r"\btf\.([A-Z]\w+)")


def convert(model: keras.Model, name: str) -> bytes:
    """The content of a `.tflite` file that answers as the model does in inference mode, up to rounding.

    Args:
        model: functional, with every size but that of the batch fixed. What becomes of its weights later has no effect.
        name: of the model, for the message.

    Raises:
        TransferlineError: LiteRT lacks an operation of the model; the message names it.
    """
    with without_native_messages():
        # given an object to track it writes a SavedModel, takes twice as long and sorts inputs and outputs by name
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
    """The model as a function of any number of rows, with its weights as constants: LiteRT loses Keras's variables."""
    listed = keras.Model(model.inputs, model.outputs)
    variables = (model.trainable_variables, model.non_trainable_variables)
    weights = [[variable.numpy() for variable in each] for each in variables]

    def call(*inputs: Any) -> Any:
        constants = [[tf.constant(weight) for weight in each] for each in weights]
        return tf.nest.flatten(listed.stateless_call(*constants, list(inputs), training=False)[0])

    specs = [tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs]
    return tf.function(call, autograph=False).get_concrete_function(*specs)
