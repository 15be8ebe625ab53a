"""Training on several devices or machines, and in which precision: `strategy` and `mixed_precision` of a training."""

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
    """Has TensorFlow spread what is built from now on over the devices of the training's strategy, and compute in its
    precision.

    To be called before TensorFlow has done anything in this process.

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
    """Has TensorFlow's graphs on CPUs compute convolutions and products in bfloat16; Keras's layers and files know
    nothing of it."""
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
    """A model of which each replica trains on its part of a batch.

    Keras 3.15 has this for one machine, and fails with several (keras-team/keras#20585): it averages a first batch over
    the replicas, and their figures along an axis that they do not have. Both are left out here.
    """

    def make_train_function(self, force: bool = False) -> None:
        """Trains on a batch."""
        self.train_function = self._on_each(self.train_step)

    def make_test_function(self, force: bool = False) -> None:
        """Scores a batch."""
        self.test_function = self._on_each(self.test_step)

    def predict(self, dataset: tf.data.Dataset, **_: Any) -> Float32s:
        """The logits of all batches, one after the other, on one device: (n, …)."""
        answer = tf.function(lambda inputs: self(inputs, training=False), reduce_retracing=True)
        return np.concatenate([answer(inputs).numpy() for inputs, *_ in dataset])

    def predict_on_batch(self, inputs: Any) -> Float32s:
        """The logits of a batch, on one device: (n, …)."""
        return np.asarray(self(inputs, training=False))

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Nothing: a functional model is built."""

    def _on_each(self, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        strategy = self.distribute_strategy

        @tf.function(reduce_retracing=True)
        def run(data: Any) -> Any:
            return tf.nest.map_structure(
                lambda figure: strategy.reduce("MEAN", figure, axis=None), strategy.run(step, args=(data,))
            )

        return lambda iterator: run(next(iterator))
