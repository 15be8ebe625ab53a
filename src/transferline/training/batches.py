"""Batches of training data, in an order that follows from the seed."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from transferline.arrays import Array, Float32s
from transferline.errors import TransferlineError
from transferline.params import LinearTraining, Training

Read = Callable[[Array], Any]
Item = tuple[Any, Array, Array]


class Batches:
    """Batches `(inputs, targets, weights)`, read as they are needed.

    Where a batch is divided between replicas, a last one that is too small for them is left to the one before.

    Args:
        rows: the views, whose index says where their values stand.
        read: gives a model's inputs at such positions.
        targets: (n, 1) int32 or (n, classes) float32, a row for each of `rows`.
        class_weights: (classes,) float32, the weight of each class in the loss.
        batch_size: views per batch; the last one is smaller.
        seed: shuffles each epoch anew; None keeps the order of the rows.
        one_view_per_image: an epoch then takes one of an image's views, drawn anew each time, instead of all.
        views_at_once: an item holds whole batches of that many views together, or one batch if that is more;
            `SeveralBatches` takes an item apart.

    Attributes:
        targets: those of all rows.
        batch_size: views per batch.
        views_per_item: a multiple of `batch_size`.
        views_per_epoch: how many views an epoch takes.
    """

    def __init__(
        self,
        rows: pd.DataFrame,
        read: Read,
        targets: Array,
        class_weights: Array,
        batch_size: int,
        seed: int | None = None,
        one_view_per_image: bool = False,
        views_at_once: int = 0,
    ) -> None:
        self.targets, self._read, self.batch_size = targets, read, batch_size
        self.views_per_item = batch_size * max(1, views_at_once // batch_size)
        self._positions = rows.index.to_numpy()
        of_labels = np.broadcast_to(class_weights, targets.shape) if targets.shape[1] > 1 else class_weights[targets]
        self._weights = of_labels.astype(np.float32)
        self._images, images = pd.factorize(rows["path"])
        self._one_view_per_image, self._seed = one_view_per_image, seed
        self.views_per_epoch = len(images) if one_view_per_image else len(rows)
        self._least = int(tf.distribute.get_strategy().num_replicas_in_sync)

    @property
    def batches_per_epoch(self) -> int:
        """How many steps an epoch takes."""
        return -(-self.views_per_epoch // self.batch_size) if self.views_per_item > self.batch_size else len(self)

    def __len__(self) -> int:
        """Items per epoch."""
        whole, rest = divmod(self.views_per_epoch, self.views_per_item)
        return whole + int(rest >= (self._least if whole else 1))

    def items(self, epoch: int = 1) -> Iterator[Item]:
        """The items of an epoch, from 1 on: inputs, targets, and weights of the loss of the same shape as the targets.

        The order, and which views are taken, follow from the seed and the number of the epoch.
        """
        order = self._order(epoch)
        edges = [*range(0, len(self) * self.views_per_item, self.views_per_item), len(order)]
        return (self._item(order[start:end]) for start, end in pairwise(edges))

    def dataset(self, first_epoch: int = 1, epochs: int = 1) -> tf.data.Dataset:
        """The items of several epochs, the next one prepared while the model works on one."""

        def generate() -> Iterator[Item]:
            for epoch in range(first_epoch, first_epoch + epochs):
                yield from self.items(epoch)

        one_batch = self._item(self._order(first_epoch)[: self.batch_size])
        signature = tf.nest.map_structure(
            lambda values: tf.TensorSpec((None, *values.shape[1:]), values.dtype), one_batch
        )
        options = tf.data.Options()
        options.autotune.enabled = False  # every other epoch it would wait for five seconds; Keras's own leave it on
        return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(1).with_options(options)

    def predict(self, model: Any) -> Float32s:
        """What a model gives for the views of an epoch, one after the other: (n, …)."""
        outputs: Float32s = model.predict(self.dataset(), steps=len(self), verbose=0)
        return outputs

    def _order(self, epoch: int) -> Array:
        """Which views an epoch takes, one after the other: their places in the rows."""
        if self._seed is None:
            return np.arange(len(self._positions))
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._positions))
        if self._one_view_per_image:
            _, first = np.unique(self._images[order], return_index=True)
            order = order[np.sort(first)]
        return order

    def _item(self, chosen: Array) -> Item:
        return self._read(self._positions[chosen]), self.targets[chosen], self._weights[chosen]


def class_weight_vector(training: Training | LinearTraining, counts: Array, classes: tuple[str, ...]) -> Array:
    """The weight of each class: ones, balanced (labels in all over classes times labels of the class), or as given.

    Where an image has several labels, it weighs the class's whole term of the loss, also of images without the label.

    Args:
        training: `class_weights`.
        counts: (classes,) how often each class is a label of an image, or of a pixel.
        classes: their names.

    Raises:
        TransferlineError: a name that is no class, or balanced weights of a class without an image.
    """
    if training.class_weights == "none":
        return np.ones(len(classes), np.float32)
    if training.class_weights == "balanced":
        if missing := [name for name, count in zip(classes, counts, strict=True) if not count]:
            raise TransferlineError(
                f"class_weights: balanced needs an image of each class in train; none is of {', '.join(missing)}"
            )
        return np.asarray(counts.sum() / (len(classes) * counts), np.float32)
    if set(training.class_weights) != set(classes):
        raise TransferlineError(
            f"class_weights names {', '.join(training.class_weights)}; it must name each class: {', '.join(classes)}"
        )
    return np.array([training.class_weights[name] for name in classes], np.float32)
