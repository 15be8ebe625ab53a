"""The training of a segmentation."""

from collections.abc import Callable
from typing import Any

import numpy as np

from transferline.arrays import Array
from transferline.metrics.pixel_confusion import mean_iou, pixel_accuracy, pixel_confusion
from transferline.params import Loss
from transferline.problems.logits import ExclusiveClasses

HELD_OUT = 200_000  # pixels of validation for the temperature, which is one number


class SegmentationProblemTraining(ExclusiveClasses):
    """See `TrainingOfKind`. There is a logit for each pixel and class; targets are masks (n, side, side, 1)."""

    exact_metric = None

    def loss(self, loss: Loss) -> Callable[[Any, Any], Any]:
        """See `loss_of_classes`."""
        from transferline.problems.keras_losses import loss_of_classes

        return loss_of_classes(loss)

    def keras_metric(self, name: str, classes: int) -> Any:
        """The mean IoU."""
        from transferline.problems.segmentation.keras_mean_iou import MeanIoU

        return MeanIoU(classes, name)

    def held_out(self, model: Any, validation: Any) -> tuple[Array, Array]:
        """Returns logits and classes of pixels that are not void, about `HELD_OUT` of all images, drawn at random."""
        random, logits, truth = np.random.default_rng(0), list[Array](), list[Array]()
        for images, masks, _ in validation.items():
            share = HELD_OUT / (validation.views_per_epoch * masks[0].size)
            outputs = model.predict_on_batch(images)
            drawn = (masks[..., 0] < outputs.shape[-1]) & (random.random(masks.shape[:-1]) < share)
            logits.append(outputs[drawn])
            truth.append(masks[drawn])
        return np.concatenate(logits), np.concatenate(truth).astype(np.int32)

    def floor(self, model: Any, data: Any, validation: Any, classes: int) -> dict[str, float]:
        """Returns mean IoU and pixel accuracy of two models; see `TrainingOfKind`.

        One always predicts the most frequent class, the other is the untrained model.
        """
        majority = np.zeros((classes, classes + 1), np.int64)
        majority[:, data.counts.argmax()] = validation.counts
        untrained = np.zeros_like(majority)
        for images, masks, _ in validation.items():
            untrained += pixel_confusion(masks[..., 0], model.predict_on_batch(images).argmax(axis=-1), classes)
        metrics = {"mean_iou": mean_iou, "pixel_accuracy": pixel_accuracy}
        return {
            f"{of}_{name}": float(metric(matrix))
            for of, matrix in (("majority", majority), ("untrained", untrained))
            for name, metric in metrics.items()
        }
