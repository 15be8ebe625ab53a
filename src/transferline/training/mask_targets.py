"""What a segmentation is trained on, and what it is measured by during training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from keras import ops

from transferline.arrays import Array
from transferline.datasets.masks import read_masks
from transferline.datasets.transforms import apply_views_to_masks
from transferline.metrics.segmentation import mean_iou, pixel_accuracy, pixel_confusion
from transferline.params import Image
from transferline.training.batches import Batches, Item, Read
from transferline.training.decoded_images import DecodedImages

Loss = Callable[[Any, Any], Any]


class MaskedImages(DecodedImages):
    """Images as `DecodedImages` keeps them, and their masks, which stay in memory (size² bytes each).

    Args:
        raw: the folder of both.
        rows: views, with the index 0, 1, … and the column `mask`.
        image: size and colour mode.
        folder: where the file of the images is.
        classes: their number.

    Attributes:
        masks: uint8, (images, size, size), in the order in which `rows` names the images.
    """

    def __init__(self, raw: Path, rows: pd.DataFrame, image: Image, folder: Path, classes: int) -> None:
        super().__init__(raw, rows, image, folder)
        of_path = rows.drop_duplicates("path")
        self.masks = read_masks(raw, of_path["mask"].tolist(), image, classes)

    def read(self, positions: Array) -> Any:
        """Draws the views at `positions`, (n,): images as `DecodedImages` does, and masks (n, size, size, 1) uint8."""
        masks = apply_views_to_masks(self.masks[self._image_of_row[positions]], self._rows.iloc[positions])
        return super().read(positions), masks[..., None]

    def counts(self, positions: Array) -> Array:
        """How many pixels each value has in the masks of the images of some rows, (256,)."""
        return np.bincount(self.masks[np.unique(self._image_of_row[positions])].ravel(), minlength=256)


class MaskBatches(Batches):
    """Batches of images, masks and the weights of their pixels, whose mean is 1, so that a loss is a weighted mean over
    the pixels that have a class.

    Args:
        rows: the views.
        read: `MaskedImages.read`.
        counts: pixels of each class in `rows`.
        class_weights: (classes,), the weight of each class in the loss.
        batch_size: views per batch.
        seed: shuffles, and draws one view of each image for an epoch; None keeps the order.

    Attributes:
        counts: as given.
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
        """One batch: images, masks (n, size, size, 1) and weights (n, size, size)."""
        (images, masks), _, _ = super()._item(chosen)
        weights = self._weight_of_value[masks[..., 0]]
        return images, masks, weights / max(float(weights.mean()), 1e-9)


class MeanIoU(keras.metrics.Metric):  # type: ignore[misc]
    """The mean IoU of all pixels since the last reset, from masks (n, size, size, 1) and logits.

    Keras's own counts void pixels as the first class.
    """

    def __init__(self, classes: int, name: str) -> None:
        super().__init__(name=name)
        self._classes = classes
        self._pairs = self.add_variable((classes * classes,), "zeros", "int64", name="pairs")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts the pixels of a batch; weights are left aside."""
        truth, said = ops.cast(y_true[..., 0], "int32"), ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        everything = self._classes * self._classes
        pairs = ops.where(truth < self._classes, truth * self._classes + said, everything)
        counts = ops.bincount(ops.reshape(pairs, (-1,)), minlength=everything + 1)
        self._pairs.assign_add(ops.cast(counts[:everything], "int64"))

    def result(self) -> Any:
        """The mean over the classes that the masks or the answers hold."""
        matrix = ops.cast(ops.reshape(self._pairs, (self._classes, self._classes)), "float32")
        hits = ops.diagonal(matrix)
        union = ops.sum(matrix, axis=0) + ops.sum(matrix, axis=1) - hits
        known = ops.cast(union > 0, "float32")
        return ops.sum(hits / ops.maximum(union, 1.0)) / ops.maximum(ops.sum(known), 1.0)

    def reset_state(self) -> None:
        """Forgets all pixels."""
        self._pairs.assign(ops.zeros_like(self._pairs))


def with_dice(loss: Loss, share: float) -> Loss:
    """Adds `share` times the soft Dice loss of the batch to the loss of each pixel.

    Milletari, Navab and Ahmadi, V-Net, 3DV 2016, with squares in the denominator; the mean over the classes that the
    masks hold.
    """

    def values(masks: Any, logits: Any) -> Any:
        classes = logits.shape[-1]
        truth = ops.one_hot(ops.cast(masks[..., 0], "int32"), classes)  # void is none of them
        likely = ops.softmax(logits, axis=-1) * ops.sum(truth, axis=-1, keepdims=True)
        common, present = ops.sum(truth * likely, axis=(0, 1, 2)), ops.sum(truth, axis=(0, 1, 2))
        dice = (2 * common + 1) / (ops.sum(ops.square(likely), axis=(0, 1, 2)) + present + 1)
        known = ops.cast(present > 0, "float32")
        return loss(masks, logits) + share * (1 - ops.sum(known * dice) / ops.maximum(ops.sum(known), 1.0))

    return values


def floor_of_masks(model: keras.Model, data: MaskBatches, validation: MaskBatches) -> dict[str, float]:
    """Mean IoU and pixel accuracy on validation of always answering with the most frequent class of train, and of the
    untrained model; keys as in `Summary.floor`."""
    classes = len(data.counts)
    majority = np.zeros((classes, classes + 1), np.int64)
    majority[:, data.counts.argmax()] = validation.counts
    untrained = np.zeros_like(majority)
    for images, masks, _ in validation.items():
        untrained += pixel_confusion(masks[..., 0], model.predict_on_batch(images).argmax(axis=-1), classes)
    figures = {"mean_iou": mean_iou, "pixel_accuracy": pixel_accuracy}
    return {
        f"{of}_{name}": float(figure(matrix))
        for of, matrix in (("majority", majority), ("untrained", untrained))
        for name, figure in figures.items()
    }
