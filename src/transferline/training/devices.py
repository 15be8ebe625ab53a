"""Training on several devices or machines, and its precision: the keys `strategy` and `mixed_precision`."""

import json
import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from transferline.arrays import Float32s
from transferline.errors import TransferlineError
from transferline.params import LinearTraining, Training


def use_devices(training: Training | LinearTraining) -> None:
    """Sets the strategy and precision of a training: models built later use its devices.

    Call it before anything else that uses TensorFlow in this process.

    Raises:
        TransferlineError: the strategy is multi_worker, but TF_CONFIG names no workers.
    """
    if isinstance(training, Training) and training.mixed_precision == "bfloat16":
        use_bfloat16()
    name = training.strategy if isinstance(training, Training) else "none"
    strategy = None
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    elif name == "multi_worker":
        _require_workers()
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    tf.distribute.experimental_set_strategy(strategy)


def use_bfloat16() -> None:
    """Lets TensorFlow's graphs on CPUs compute convolutions and products in bfloat16.

    Keras's layers and files do not change.
    """
    tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": True})


def _require_workers() -> None:
    text = os.environ.get("TF_CONFIG", "")
    try:
        workers = json.loads(text)["cluster"]["worker"]
    except (ValueError, KeyError, TypeError):
        workers = None
    if not workers:
        raise TransferlineError(
            f"strategy: multi_worker needs TF_CONFIG in the environment, which is {text or 'not set'}; on each machine "
            'set it to {"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}} '
            "with its own index, and start the same stage on all of them"
        )


class Replicated(keras.Model):  # type: ignore[misc]
    """A model that divides each batch between replicas.

    Keras 3.15 does this for one machine, but fails with several (keras-team/keras#20585). Keras averages a first batch
    over the replicas, and averages metrics along an axis that they do not have. This class does neither.
    """

    def make_train_function(self, force: bool = False) -> None:
        """Trains on a batch."""
        self.train_function = self._on_each(self.train_step)

    def make_test_function(self, force: bool = False) -> None:
        """Scores a batch."""
        self.test_function = self._on_each(self.test_step)

    def predict(self, dataset: tf.data.Dataset, **_: Any) -> Float32s:
        """Returns the logits of all batches, in order, computed on one device: (n, …)."""
        predict = tf.function(lambda inputs: self(inputs, training=False), reduce_retracing=True)
        return np.concatenate([predict(inputs).numpy() for inputs, *_ in dataset])

    def predict_on_batch(self, inputs: Any) -> Float32s:
        """Returns the logits of a batch, computed on one device: (n, …)."""
        return np.asarray(self(inputs, training=False))

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Does nothing: a functional model is built already."""

    def _on_each(self, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        strategy = self.distribute_strategy

        @tf.function(reduce_retracing=True)
        def run(data: Any) -> Any:
            return tf.nest.map_structure(
                lambda value: strategy.reduce("MEAN", value, axis=None), strategy.run(step, args=(data,))
            )

        return lambda iterator: run(next(iterator))
