"""The training data of a segmentation, and the Dice loss."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from keras import ops

from transferline.arrays import Array
from transferline.datasets.masks import read_masks
from transferline.datasets.transforms import apply_views_to_masks
from transferline.params import Image
from transferline.training.batches import Batches, Item, Read
from transferline.training.decoded_images import DecodedImages

Loss = Callable[[Any, Any], Any]


class MaskedImages(DecodedImages):
    """Images as in `DecodedImages`, and their masks, which stay in memory (size² bytes each).

    Args:
        raw: the folder of both.
        rows: views, with the index 0, 1, … and the columns `mask` and `mask_values`.
        image: size and colour mode.
        folder: for the temporary file of the images.

    Attributes:
        masks: (images, size, size) uint8, in the order in which the images first occur in `rows`.
    """

    def __init__(self, raw: Path, rows: pd.DataFrame, image: Image, folder: Path) -> None:
        super().__init__(raw, rows, image, folder)
        of_path = rows.drop_duplicates("path")
        self.masks = read_masks(raw, of_path, image)

    def read(self, positions: Array) -> Any:
        """Returns the views at `positions`, (n,): images as `DecodedImages` does, masks (n, size, size, 1) uint8."""
        masks = apply_views_to_masks(self.masks[self._image_of_row[positions]], self._rows.iloc[positions])
        return super().read(positions), masks[..., None]

    def counts(self, positions: Array) -> Array:
        """Counts the pixels of each value in the masks of the rows at `positions`; each image once. Returns (256,)."""
        return np.bincount(self.masks[np.unique(self._image_of_row[positions])].ravel(), minlength=256)


class MaskBatches(Batches):
    """Batches of images, masks and weights of pixels.

    The mean of the weights of a batch is 1, so the loss is a weighted mean over the pixels that have a class.

    Args:
        rows: the views.
        read: `MaskedImages.read`.
        counts: pixels of each class in `rows`.
        class_weights: (classes,), the weight of each class in the loss.
        batch_size: views per batch.
        seed: for the order of an epoch and the one view of each image in it; None takes all rows in order.

    Attributes:
        counts: see above.
    """

    def __init__(
        self, rows: pd.DataFrame, read: Read, counts: Array, class_weights: Array, batch_size: int, seed: int | None
    ) -> None:
        nothing, ones = np.zeros((len(rows), 1), np.int32), np.ones(1, np.float32)
        super().__init__(rows, read, nothing, ones, batch_size, seed, one_view_per_image=seed is not None)
        self.counts = counts
        self._weight_of_value = np.zeros(256, np.float32)
        self._weight_of_value[: len(class_weights)] = class_weights

    def _item(self, chosen: Array) -> Item:
        """Returns one batch: images, masks (n, size, size, 1) and weights (n, size, size)."""
        (images, masks), _, _ = super()._item(chosen)
        weights = self._weight_of_value[masks[..., 0]]
        return images, masks, weights / max(float(weights.mean()), 1e-9)


def with_dice(loss: Loss, share: float) -> Loss:
    """Returns a loss that adds `share` times the soft Dice loss of the batch to the loss of each pixel.

    The Dice loss is the mean over the classes that the masks hold, with squares in the denominator (Milletari, Navab
    and Ahmadi, V-Net, 3DV 2016).
    """

    def values(masks: Any, logits: Any) -> Any:
        classes = logits.shape[-1]
        truth = ops.one_hot(ops.cast(masks[..., 0], "int32"), classes)  # a void pixel gets zeros only
        likely = ops.softmax(logits, axis=-1) * ops.sum(truth, axis=-1, keepdims=True)
        common, present = ops.sum(truth * likely, axis=(0, 1, 2)), ops.sum(truth, axis=(0, 1, 2))
        dice = (2 * common + 1) / (ops.sum(ops.square(likely), axis=(0, 1, 2)) + present + 1)
        known = ops.cast(present > 0, "float32")
        return loss(masks, logits) + share * (1 - ops.sum(known * dice) / ops.maximum(ops.sum(known), 1.0))

    return values
