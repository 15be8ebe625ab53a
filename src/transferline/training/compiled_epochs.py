"""Training whose epochs are few calls: where a batch is quick, Keras's own loop over batches takes most of the time."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


class SeveralBatches(keras.Model):  # type: ignore[misc]
    """A model that takes an item apart into batches, in compiled code, and trains or scores one after the other.

    It takes the same steps with the same figures as on batches handed over one by one. To Keras's callbacks an item is
    one batch, epochs stay epochs.

    Attributes:
        batch_size: views per batch; the last one of an item is smaller. Set it before the first step.
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
