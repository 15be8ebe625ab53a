"""Batches of training data, in an order that follows from the seed."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf

from transferline.errors import TransferlineError
from transferline.params import LinearTraining, Problem, Training
from transferline.training.figures import class_counts

Array = npt.NDArray[Any]
Read = Callable[[Array], Any]


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches `(inputs, targets, weights)`, read as they are needed; Keras reads the next ones while one is trained on.

    Where a batch is divided between replicas, a last one that is too small for them is left to the one before.

    Args:
        rows: the views, whose index says where their values stand.
        read: gives a model's inputs at such positions.
        targets: (n, 1) int32 or (n, classes) float32, a row for each of `rows`.
        class_weights: (classes,) float32, the weight of each class in the loss.
        batch_size: views per batch; the last one is smaller.
        seed: shuffles anew before each epoch; None keeps the order of the rows.
        one_view_per_image: an epoch then takes one of an image's views, drawn anew each time, instead of all.
        views_at_once: an item holds whole batches of that many views together, or one batch if that is more;
            `SeveralBatches` takes an item apart.

    Attributes:
        targets: those of all rows.
        batch_size: views per batch.
        views_per_item: a multiple of `batch_size`.
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
        super().__init__()
        self.targets, self._read, self.batch_size = targets, read, batch_size
        self.views_per_item = batch_size * max(1, views_at_once // batch_size)
        self._positions = rows.index.to_numpy()
        of_labels = np.broadcast_to(class_weights, targets.shape) if targets.shape[1] > 1 else class_weights[targets]
        self._weights = of_labels.astype(np.float32)
        self._images = pd.factorize(rows["path"])[0]
        self._one_view_per_image = one_view_per_image
        self._random = None if seed is None else np.random.default_rng(seed)
        self._order = np.arange(len(rows))
        self._least = int(tf.distribute.get_strategy().num_replicas_in_sync)
        self.on_epoch_end()

    @property
    def views_per_epoch(self) -> int:
        """How many views an epoch takes."""
        return len(self._order)

    @property
    def batches_per_epoch(self) -> int:
        """How many steps an epoch takes."""
        return -(-len(self._order) // self.batch_size) if self.views_per_item > self.batch_size else len(self)

    def on_epoch_end(self) -> None:
        """Draws the order of the next epoch."""
        if self._random is None:
            return
        self._order = self._random.permutation(len(self._positions))
        if self._one_view_per_image:
            _, first = np.unique(self._images[self._order], return_index=True)
            self._order = self._order[np.sort(first)]

    def __len__(self) -> int:
        """Items per epoch."""
        whole, rest = divmod(len(self._order), self.views_per_item)
        return whole + int(rest >= (self._least if whole else 1))

    def __getitem__(self, item: int) -> tuple[Any, Array, Array]:
        """One item: inputs, targets, and weights of the loss of the same shape as the targets."""
        end = (item + 1) * self.views_per_item if item + 1 < len(self) else None
        chosen = self._order[item * self.views_per_item : end]
        return self._read(self._positions[chosen]), self.targets[chosen], self._weights[chosen]


def class_weight_vector(
    training: Training | LinearTraining, targets: Array, classes: tuple[str, ...], problem: Problem
) -> Array:
    """The weight of each class: ones, balanced (labels in all over classes times labels of the class), or as given.

    In a multilabel problem it weighs the class's whole term of the loss, of the images without the label too.

    Raises:
        TransferlineError: a name that is no class, or balanced weights of a class without an image.
    """
    if training.class_weights == "none":
        return np.ones(len(classes), np.float32)
    if training.class_weights == "balanced":
        counts = class_counts(targets, len(classes), problem)
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
