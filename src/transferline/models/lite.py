"""Predicts with LiteRT, which runs a `model.tflite` here and on devices. It does not need TensorFlow."""

import os
import threading
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from transferline.arrays import Array, Floats, Pixels
from transferline.models.training_distance import Novelty, TrainingDistance
from transferline.quiet import without_native_messages

# The batch size of one call. With fewer rows the cores wait for each other; with more, values leave the CPU's cache.
ROWS = 8


class LiteGraph:
    """A `.tflite` file with any batch size, which several threads can run at the same time.

    The result for a row depends neither on the other rows nor on the number of threads.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._of_thread = threading.local()

    def run(self, inputs: Sequence[Array]) -> list[Floats]:
        """Computes one float32 array (n, …) for each output from one array (n, …) for each input, n ≥ 1."""
        interpreter = self._interpreter()
        parts = [
            self._call(interpreter, [values[start : start + ROWS] for values in inputs])
            for start in range(0, len(inputs[0]), ROWS)
        ]
        return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of the first input, with None for the number of rows."""
        return self._shape(self._interpreter().get_input_details()[0])

    @property
    def input_type(self) -> str:
        """The dtype of the first input."""
        return str(np.dtype(self._interpreter().get_input_details()[0]["dtype"]))

    @property
    def output_shapes(self) -> list[tuple[int | None, ...]]:
        """The shape of each output, with None for the number of rows."""
        return [self._shape(each) for each in self._interpreter().get_output_details()]

    @staticmethod
    def _shape(details: Any) -> tuple[int | None, ...]:
        return (None, *map(int, details["shape_signature"][1:]))

    def _interpreter(self) -> Any:
        """Returns this thread's interpreter. Threads cannot share one, because it holds the values of one call."""
        if not hasattr(self._of_thread, "interpreter"):
            self._of_thread.interpreter = _open(self._content)
        return self._of_thread.interpreter

    @staticmethod
    def _call(interpreter: Any, inputs: Sequence[Array]) -> list[Floats]:
        details = interpreter.get_input_details()
        if details[0]["shape"][0] != len(inputs[0]):
            for values, each in zip(inputs, details, strict=True):
                interpreter.resize_tensor_input(each["index"], values.shape)
            interpreter.allocate_tensors()
        for values, each in zip(inputs, details, strict=True):
            interpreter.set_tensor(each["index"], values)
        interpreter.invoke()
        return [interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()]


def _open(content: bytes) -> Any:
    with without_native_messages(), warnings.catch_warnings(action="ignore"):
        from ai_edge_litert.interpreter import Interpreter

        threads = (os.environ.get("OMP_NUM_THREADS") or str(os.cpu_count())).split(",")[0]  # 1 in the workers of Dask
        interpreter = Interpreter(model_content=content, num_threads=int(threads))
        interpreter.allocate_tensors()
    return interpreter


class Outputs(NamedTuple):
    """What a model that predicts labels computes for one image.

    Attributes:
        probabilities: (classes,) float32.
        novelty: how new the image is; None if the distance to the training images is not known.
    """

    probabilities: Floats
    novelty: Novelty | None


class LiteModel(LiteGraph):
    """An exported model: it computes probabilities from raw images, and features if it has a pooled vector.

    Args:
        content: of `model.tflite`.
        distance: the distance to its training images; None if it is not known.
    """

    def __init__(self, content: bytes, distance: TrainingDistance | None = None) -> None:
        super().__init__(content)
        self._distance = distance

    def probabilities(self, images: Pixels) -> Floats:
        """Computes the probabilities of one image or more.

        Args:
            images: (n, size, size, channels) uint8, as `datasets/images.py` reads them for the card's `image`.

        Returns:
            (n, classes) float32, with two columns for a binary problem; (n, size, size, classes) for segmentation.
            The probabilities of an image or pixel sum to 1, except in multilabel problems.
        """
        return self.run([images])[0]

    def features(self, images: Pixels) -> Floats | None:
        """Computes the vectors before the last layer, (n, length) float32; None if the model does not output them."""
        outputs = self.run([images])
        return outputs[1] if len(outputs) > 1 else None

    def outputs(self, images: Pixels) -> list[Outputs]:
        """Computes the outputs for each of one image or more; see `probabilities`."""
        probabilities, *features = self.run([images])
        novelties = self._distance.novelties(features[0]) if self._distance and features else [None] * len(images)
        return [Outputs(*pair) for pair in zip(probabilities, novelties, strict=True)]
