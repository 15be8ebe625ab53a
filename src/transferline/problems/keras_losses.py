"""Losses on logits for Keras: cross-entropy and focal loss, with label smoothing."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from transferline.params import Focal, Loss

Terms = Callable[[Any, Any, float], tuple[Any, Any]]


def loss_of_classes(loss: Loss) -> Callable[[Any, Any], Any]:
    """Returns the loss for problems in which an image, or a pixel, has one class.

    Returns:
        A function of targets (n, 1) and logits (n, classes), or of masks (n, height, width, 1) and logits (n, height,
        width, classes). It returns a loss for each image, (n,), or for each pixel.
    """
    return _build(loss, _of_classes)


def loss_of_labels(loss: Loss) -> Callable[[Any, Any], Any]:
    """Returns the loss for problems in which each label, or the second of two classes, is present or not.

    Returns:
        A function of targets and logits, (n, outputs) each. It returns a loss for each image and output, (n, outputs).
    """
    return _build(loss, _of_labels)


def _build(loss: Loss, terms: Terms) -> Callable[[Any, Any], Any]:
    """Returns a loss for `model.compile`.

    The focal factor is computed from the logits. Keras's own focal losses clip probabilities at 1e-7, so the hardest
    images, for which the loss is made, get no gradient. Only the cross-entropy is smoothed.
    """

    def values(targets: Any, logits: Any) -> Any:
        cross_entropy, log_of_wrong = terms(targets, logits, loss.label_smoothing)
        return ops.exp(loss.gamma * log_of_wrong) * cross_entropy if isinstance(loss, Focal) else cross_entropy

    return values


def _of_classes(targets: Any, logits: Any, smoothing: float) -> tuple[Any, Any]:
    """Returns the cross-entropy, and the logarithm of the probability of all wrong classes together, (n,) each."""
    truth = ops.one_hot(ops.cast(targets[..., 0], "int32"), logits.shape[-1])  # a void pixel gets zeros only
    cross_entropy = keras.losses.categorical_crossentropy(truth, logits, from_logits=True, label_smoothing=smoothing)
    of_wrong = ops.logsumexp(ops.where(truth > 0, -1e9, logits), axis=-1)
    return cross_entropy, of_wrong - ops.logsumexp(logits, axis=-1)


def _of_labels(targets: Any, logits: Any, smoothing: float) -> tuple[Any, Any]:
    """Returns the same two values for each label alone, (n, outputs) each."""
    truth = ops.cast(targets, logits.dtype)
    cross_entropy = keras.losses.binary_crossentropy(
        truth[..., None], logits[..., None], from_logits=True, label_smoothing=smoothing
    )
    return cross_entropy, ops.log_sigmoid((1 - 2 * truth) * logits)
