"""A model compiled to be run, not trained: by TFLite's XNNPACK on a processor, by TensorFlow on a GPU."""

import os
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert_phase import ConverterError

from transferline.arrays import Array
from transferline.quiet import without_native_messages

Compiled = Callable[[Sequence[Array]], list[Array]]

ROWS = 8  # of one call of TFLite: with fewer the cores wait for each other, with more they run out of cache


def compile_for_inference(model: keras.Model) -> Compiled:
    """The outputs of a model, up to rounding, in two thirds of the time that TensorFlow's graph takes.

    On a processor the values of a row depend neither on the other rows nor on the number of threads. TensorFlow runs
    what TFLite has no operation for.

    Args:
        model: functional, every size but that of the batch fixed, batch normalisation folded. What becomes of its
            weights later has no effect.

    Returns:
        A function of one float32 array (n, …) for each input; one float32 array (n, …) for each output.
    """
    if not tf.config.list_physical_devices("GPU"):
        try:
            return _in_lite(_graph(model, ROWS))
        except ConverterError:
            pass
    graph = _graph(model, None)
    return lambda inputs: [output.numpy() for output in graph(*map(tf.constant, inputs))]


def _graph(model: keras.Model, rows: int | None) -> Any:
    """The model as a function of `rows` rows, its weights as constants: as variables of Keras TFLite loses them."""
    listed = keras.Model(model.inputs, model.outputs)
    variables = (model.trainable_variables, model.non_trainable_variables)
    weights = [[variable.numpy() for variable in each] for each in variables]

    def call(*inputs: Any) -> Any:
        constants = [[tf.constant(weight) for weight in each] for each in weights]
        return tf.nest.flatten(listed.stateless_call(*constants, list(inputs), training=False)[0])

    specs = [tf.TensorSpec((rows, *tensor.shape[1:]), "float32") for tensor in model.inputs]
    return tf.function(call, autograph=False).get_concrete_function(*specs)


def _in_lite(graph: Any) -> Compiled:
    with without_native_messages():
        # given an object to track it writes a SavedModel, takes twice as long and sorts inputs and outputs by name
        content = tf.lite.TFLiteConverter.from_concrete_functions([graph]).convert()
    lite = _Lite(content)

    def run(inputs: Sequence[Array]) -> list[Array]:
        interpreter, count = lite.interpreter, len(inputs[0])
        taken, given = interpreter.get_input_details(), interpreter.get_output_details()
        outputs = [np.empty((count, *each["shape"][1:]), np.float32) for each in given]
        for start in range(0, count, ROWS):  # the last rows are repeated up to the full number
            for values, each in zip(inputs, taken, strict=True):
                interpreter.set_tensor(each["index"], np.resize(values[start : start + ROWS], each["shape"]))
            interpreter.invoke()
            for output, each in zip(outputs, given, strict=True):
                output[start : start + ROWS] = interpreter.get_tensor(each["index"])[: count - start]
        return outputs

    return run


class _Lite(threading.local):
    """An interpreter for each thread that asks for it: it holds the values of one call."""

    def __init__(self, content: bytes) -> None:
        threads = (os.environ.get("OMP_NUM_THREADS") or str(os.cpu_count())).split(",")[0]  # 1 in the workers of Dask
        with warnings.catch_warnings(action="ignore", category=UserWarning), without_native_messages():
            # deprecated for ai-edge-litert, which has the same class: 60 MB more, and no converter
            self.interpreter = tf.lite.Interpreter(model_content=content, num_threads=int(threads))
            self.interpreter.allocate_tensors()
