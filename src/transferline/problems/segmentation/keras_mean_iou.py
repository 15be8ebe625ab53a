"""The mean IoU as a Keras metric."""

from typing import Any

import keras
from keras import ops


class MeanIoU(keras.metrics.Metric):  # type: ignore[misc]
    """The mean IoU of all pixels since the last reset, from masks (n, size, size, 1) and logits.

    Keras's own `MeanIoU` counts void pixels as the first class.
    """

    def __init__(self, classes: int, name: str) -> None:
        super().__init__(name=name)
        self._classes = classes
        self._pairs = self.add_variable((classes * classes,), "zeros", "int64", name="pairs")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts the pixels of a batch; weights are ignored."""
        truth, predicted = ops.cast(y_true[..., 0], "int32"), ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        everything = self._classes * self._classes
        pairs = ops.where(truth < self._classes, truth * self._classes + predicted, everything)
        counts = ops.bincount(ops.reshape(pairs, (-1,)), minlength=everything + 1)
        self._pairs.assign_add(ops.cast(counts[:everything], "int64"))

    def result(self) -> Any:
        """Returns the mean over the classes that the masks or the predictions hold."""
        matrix = ops.cast(ops.reshape(self._pairs, (self._classes, self._classes)), "float32")
        hits = ops.diagonal(matrix)
        union = ops.sum(matrix, axis=0) + ops.sum(matrix, axis=1) - hits
        known = ops.cast(union > 0, "float32")
        return ops.sum(hits / ops.maximum(union, 1.0)) / ops.maximum(ops.sum(known), 1.0)

    def reset_state(self) -> None:
        """Sets all counts to zero."""
        self._pairs.assign(ops.zeros_like(self._pairs))
