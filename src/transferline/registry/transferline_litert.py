"""Predicts with a `model.tflite`. Each registered version holds a copy in `code/`, which `mlflow.pyfunc` loads.

It needs numpy and ai-edge-litert, and no other module of transferline.
"""

import threading
from typing import Any

import numpy as np

ROWS = 8  # images per call


def _load_pyfunc(path: str) -> "Model":
    """Returns the model; `mlflow.pyfunc.load_model` calls this function. `path` is the `.tflite` file."""
    return Model(path)


class Model:
    """Predicts probabilities for images."""

    def __init__(self, path: str) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=path)
        self._interpreter.allocate_tensors()
        self._lock = threading.Lock()  # the interpreter holds the values of one call

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Returns the probabilities of images.

        Args:
            data: (n, size, size, channels) uint8.
            params: part of MLflow's interface; not used.

        Returns:
            (n, classes) float32, two columns for a binary problem; for a segmentation (n, size, size, classes).
        """
        images = np.asarray(next(iter(data.values())) if isinstance(data, dict) else data, np.uint8)
        with self._lock:
            parts = [self._call(images[start : start + ROWS]) for start in range(0, max(len(images), 1), ROWS)]
        return np.concatenate(parts)

    def _call(self, images: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.float32]]:
        (taken,) = self._interpreter.get_input_details()
        if tuple(taken["shape"]) != images.shape:
            self._interpreter.resize_tensor_input(taken["index"], images.shape)
            self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(taken["index"], images)
        self._interpreter.invoke()
        output: np.ndarray[Any, np.dtype[np.float32]] = self._interpreter.get_tensor(
            self._interpreter.get_output_details()[0]["index"]
        )
        return output
