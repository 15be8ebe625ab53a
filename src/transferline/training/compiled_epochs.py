"""Training with few calls per epoch. With fast batches, Keras's loop over them would take most of the time."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


class SeveralBatches(keras.Model):  # type: ignore[misc]
    """A model that divides an item into batches, in compiled code, and trains on them or scores them in turn.

    The steps and their results are the same as with single batches. For Keras's callbacks an item is one batch; epochs
    do not change.

    Attributes:
        batch_size: views per batch; the last batch of an item may be smaller. Set it before the first step.
    """

    batch_size: int

    def train_step(self, data: Any) -> Any:
        """Trains on the batches of an item."""
        return self._each(super().train_step, data)

    def test_step(self, data: Any) -> Any:
        """Scores the batches of an item."""
        return self._each(super().test_step, data)

    def _each(self, step: Callable[[Any], Any], data: Any) -> Any:
        views = tf.shape(tf.nest.flatten(data)[0])[0]

        def one(start: Any) -> tuple[Any]:
            step(tf.nest.map_structure(lambda values: values[start : start + self.batch_size], data))
            return (start + self.batch_size,)

        tf.while_loop(lambda start: start < views, one, [tf.constant(0)])
        return self.get_metrics_result()
