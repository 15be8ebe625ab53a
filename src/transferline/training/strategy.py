"""Training on several devices at once."""

from contextlib import AbstractContextManager, nullcontext

import tensorflow as tf

from transferline.params import LinearTraining, Training
from transferline.progress import say


def strategy_scope(training: Training | LinearTraining) -> AbstractContextManager[object]:
    """The scope in which a model is built, loaded and fitted by the strategy of its training.

    `mirrored`: a copy of the weights on each GPU, or where there is none on each logical CPU; a batch is dealt out to
    them and their gradients are summed (TensorFlow's MirroredStrategy). `batch_size` is that of all devices together.
    """
    if isinstance(training, LinearTraining) or training.strategy == "none":
        return nullcontext()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    say(f"strategy: mirrored on {', '.join(device.name for device in devices)}")
    scope: AbstractContextManager[object] = tf.distribute.MirroredStrategy([device.name for device in devices]).scope()
    return scope
