"""A Keras model compiled to be run, not trained: by LiteRT on a processor, by TensorFlow on a GPU."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from transferline.arrays import Array
from transferline.errors import TransferlineError
from transferline.models.convert import convert, graph
from transferline.models.lite import LiteGraph

Compiled = Callable[[Sequence[Array]], list[Array]]


def compile_for_inference(model: keras.Model) -> tuple[Compiled, bytes | None]:
    """The outputs of a model, up to rounding, in two thirds of the time that TensorFlow's graph takes.

    On a processor the values of a row depend neither on the other rows nor on the number of threads. TensorFlow runs
    what LiteRT has no operation for.

    Args:
        model: functional, every size but that of the batch fixed, batch normalisation folded. What becomes of its
            weights later has no effect.

    Returns:
        A function of one float32 array (n, …) for each input; one float32 array (n, …) for each output. And what
        LiteRT runs, the content of a `.tflite` file; None where TensorFlow runs it.
    """
    if not tf.config.list_physical_devices("GPU"):
        try:
            content = convert(model, "the frozen part")
            return LiteGraph(content).run, content
        except TransferlineError:
            pass
    run = graph(model)
    return lambda inputs: [output.numpy() for output in run(*map(tf.constant, inputs))], None
