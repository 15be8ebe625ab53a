"""Batches of training data from a bank, in an order that follows from the seed."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from transferline.params import Training
from transferline.training.bank import Bank


class BankBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches `(inputs, labels, weights)` read from the bank as they are needed.

    Args:
        bank: the bank.
        rows: rows of it, as `Bank.rows` gives them.
        kinds: the arrays that are a model's inputs: `["features"]`, or the tensors of the boundary.
        batch_size: views per batch; the last one is smaller.
        class_weights: (classes,) float32, the weight of each class in the loss.
        seed: shuffles anew before each epoch; None keeps the order of the rows.
        one_view_per_image: an epoch then takes one of an image's views, drawn anew each time, instead of all.
    """

    def __init__(
        self,
        bank: Bank,
        rows: pd.DataFrame,
        kinds: list[str],
        batch_size: int,
        class_weights: npt.NDArray[np.float32],
        seed: int | None = None,
        one_view_per_image: bool = False,
    ) -> None:
        super().__init__()
        self._bank, self._kinds, self._batch_size = bank, kinds, batch_size
        self._positions = rows.index.to_numpy()
        self._labels = rows["label"].to_numpy(np.int32)
        self._weights = class_weights[self._labels]
        self._images = pd.factorize(rows["path"])[0]
        self._one_view_per_image = one_view_per_image
        self._random = None if seed is None else np.random.default_rng(seed)
        self._order = np.arange(len(rows))
        self.on_epoch_end()

    @property
    def views_per_epoch(self) -> int:
        """How many views an epoch takes."""
        return len(self._order)

    def on_epoch_end(self) -> None:
        """Draws the order of the next epoch."""
        if self._random is None:
            return
        self._order = self._random.permutation(len(self._labels))
        if self._one_view_per_image:
            _, first = np.unique(self._images[self._order], return_index=True)
            self._order = self._order[np.sort(first)]

    def __len__(self) -> int:
        """Batches per epoch."""
        return -(-len(self._order) // self._batch_size)

    def __getitem__(self, batch: int) -> tuple[Any, npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """One batch: inputs (a list where the boundary has several tensors), labels (n, 1) and weights (n,)."""
        chosen = self._order[batch * self._batch_size : (batch + 1) * self._batch_size]
        inputs = [self._bank.gather(kind, self._positions[chosen]) for kind in self._kinds]
        return inputs[0] if len(inputs) == 1 else inputs, self._labels[chosen, None], self._weights[chosen]


def class_weight_vector(
    training: Training, labels: npt.NDArray[np.int32], classes: tuple[str, ...]
) -> npt.NDArray[Any]:
    """The weight of each class: ones, balanced (n / (classes · n of the class)), or as given by name.

    Raises:
        TransferlineError: a name that is no class.
    """
    from transferline.errors import TransferlineError

    if training.class_weights == "none":
        return np.ones(len(classes), np.float32)
    if training.class_weights == "balanced":
        counts = np.bincount(labels, minlength=len(classes))
        return (len(labels) / (len(classes) * counts)).astype(np.float32)
    if set(training.class_weights) != set(classes):
        raise TransferlineError(
            f"class_weights names {', '.join(training.class_weights)}; it must name each class: {', '.join(classes)}"
        )
    return np.array([training.class_weights[name] for name in classes], np.float32)
