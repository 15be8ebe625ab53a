"""Batches of training data. The seed determines their order."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    """Batches `(inputs, targets, weights)`, read when they are needed.

    Replicas divide each batch between them. If the last batch has fewer views than there are replicas, its views are
    added to the batch before.

    Args:
        rows: the views; their index holds the positions of their values.
        read: returns a model's inputs for such positions.
        targets: (n, 1) int32 or (n, classes) float32, a row for each of `rows`.
        class_weights: (classes,) float32, the weight of each class in the loss.
        batch_size: views per batch; the last batch may be smaller.
        seed: each epoch is shuffled from it; None keeps the order of the rows.
        one_view_per_image: each epoch takes one view of each image, drawn from the seed, instead of all views.
        views_at_once: an item holds as many whole batches as have that many views together, at least one batch;
            `SeveralBatches` divides an item into batches.

    Attributes:
        targets: of all rows.
        paths: of all rows.
        groups: of all rows; the path where the views have no group.
        batch_size: views per batch.
        views_per_item: a multiple of `batch_size`.
        views_per_epoch: the number of views in an epoch.
        failure: why reading has failed; None if it has not.
    """

    failure: TransferlineError | None = None

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
        self.paths = rows["path"].to_numpy(str)
        self.groups = rows.get("group", rows["path"]).to_numpy(str)
        self._positions = rows.index.to_numpy()
        of_labels = np.broadcast_to(class_weights, targets.shape) if targets.shape[1] > 1 else class_weights[targets]
        self._weights = of_labels.astype(np.float32)
        self._images, images = pd.factorize(rows["path"])
        self._one_view_per_image, self._seed = one_view_per_image, seed
        self.views_per_epoch = len(images) if one_view_per_image else len(rows)
        self._least = int(tf.distribute.get_strategy().num_replicas_in_sync)

    @property
    def batches_per_epoch(self) -> int:
        """The number of training steps in an epoch."""
        return -(-self.views_per_epoch // self.batch_size) if self.views_per_item > self.batch_size else len(self)

    def __len__(self) -> int:
        """Returns the number of items in an epoch."""
        whole, rest = divmod(self.views_per_epoch, self.views_per_item)
        return whole + int(rest >= (self._least if whole else 1))

    def items(self, epoch: int = 1) -> Iterator[Item]:
        """Returns the items of an epoch, counted from 1: inputs, targets, and weights of the loss.

        The weights have the shape of the targets. The seed and the number of the epoch determine the order and the
        chosen views.
        """
        order = self._order(epoch)
        edges = [*range(0, len(self) * self.views_per_item, self.views_per_item), len(order)]
        return (self._item(order[start:end]) for start, end in pairwise(edges))

    def dataset(self, first_epoch: int = 1, epochs: int = 1) -> tf.data.Dataset:
        """Returns the items of several epochs; the next item is prepared while the model works on one."""

        def generate() -> Iterator[Item]:
            try:
                for epoch in range(first_epoch, first_epoch + epochs):
                    yield from self.items(epoch)
            except TransferlineError as error:  # TensorFlow makes one of its own errors of it
                self.failure = error
                raise

        one_batch = self._item(self._order(first_epoch)[: self.batch_size])
        signature = tf.nest.map_structure(
            lambda values: tf.TensorSpec((None, *values.shape[1:]), values.dtype), one_batch
        )
        options = tf.data.Options()
        options.autotune.enabled = False  # Keras keeps it on; every second epoch then waits 5 s
        return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(1).with_options(options)

    def predict(self, model: Any) -> Float32s:
        """Returns a model's outputs for the views of an epoch, in order: (n, …)."""
        with reading(self):
            outputs: Float32s = model.predict(self.dataset(), steps=len(self), verbose=0)
        return outputs

    def _order(self, epoch: int) -> Array:
        """Returns the positions in the rows of the views that an epoch takes, in order."""
        if self._seed is None:
            return np.arange(len(self._positions))
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._positions))
        if self._one_view_per_image:
            _, first = np.unique(self._images[order], return_index=True)
            order = order[np.sort(first)]
        return order

    def _item(self, chosen: Array) -> Item:
        return self._read(self._positions[chosen]), self.targets[chosen], self._weights[chosen]


@contextmanager
def reading(*batches: Batches) -> Iterator[None]:
    """Raises the error with which reading batches failed inside the block, instead of TensorFlow's error about it."""
    try:
        yield
    except tf.errors.OpError as error:
        failures = [each.failure for each in batches if each.failure]
        raise (failures or [error])[0] from None


def class_weight_vector(training: Training | LinearTraining, counts: Array, classes: tuple[str, ...]) -> Array:
    """Returns the weight of each class, (classes,): ones, balanced, or as given.

    Balanced is the number of all labels, divided by the number of classes times the number of labels of the class.
    In a multilabel problem the weight applies to the class's whole term of the loss, also for images without the label.

    Args:
        training: the params, with `class_weights`.
        counts: (classes,), how often each class is a label of an image, or of a pixel.
        classes: their names.

    Raises:
        TransferlineError: the names are not those of the classes, or weights are balanced and a class has no image.
    """
    if training.class_weights == "none":
        return np.ones(len(classes), np.float32)
    if training.class_weights == "balanced":
        if missing := [name for name, count in zip(classes, counts, strict=True) if not count]:
            raise TransferlineError(
                f"class_weights: balanced needs an image of each class in train, but there is none of "
                f"{', '.join(missing)}; add images, or set class_weights to none"
            )
        return np.asarray(counts.sum() / (len(classes) * counts), np.float32)
    if set(training.class_weights) != set(classes):
        raise TransferlineError(
            f"class_weights names {', '.join(training.class_weights)}; it must name each class: {', '.join(classes)}"
        )
    return np.array([training.class_weights[name] for name in classes], np.float32)
