"""The evaluation of a segmentation."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from transferline.arrays import Array, Floats, Pixels, Positions
from transferline.datasets.mask_values import values_from_text
from transferline.datasets.masks import overlay, read_masks, read_whole_mask, to_original
from transferline.metrics.intervals import ratio_with_interval
from transferline.metrics.pixel_confusion import ious
from transferline.metrics.resampling import group_numbers
from transferline.metrics.segmentation import SegmentedImages, of_confusion
from transferline.metrics.significance import stacked, swapped_differences, t_reach
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.params import Evaluate, SignificanceTest
from transferline.problems.attack_goals import least_likely_wrong, most_likely
from transferline.problems.model_changes import Changes, ClassComparison, negative_first
from transferline.problems.segmentation.predicted_masks import rate_mask
from transferline.problems.segmentation.segmentation_pictures import draw_segmentation

PIXEL_ROWS = 10_000
MOST_BYTES = 4 * 10**9
BYTES_OF_A_VALUE = 12  # of the probability of a class in a pixel, while it is compared
COPIED = ("path", "mask", "mask_values", "split", "label", "group")


class SegmentationEvaluation:
    """See `EvaluationOfKind`."""

    shown_metrics = ("log_loss", "pixel_accuracy", "boundary_f")
    floor_metrics = ("mean_iou", "pixel_accuracy")
    floor_rule = "the most frequent class"
    class_measure = "IoU"
    compared = "IoU"
    batch_size = 8

    def rate(
        self,
        probabilities: Floats,
        card: ModelCard,
        rows: pd.DataFrame,
        raw: Path,
        classes: tuple[str, ...] | None = None,
        in_detail: bool = True,
    ) -> pd.DataFrame:
        """Returns the columns `COPIED` of the rows, and those of `rate_mask`."""
        names = classes or card.classes

        def rate_row(row: Any, of_image: Floats) -> dict[str, Any]:
            truth = read_whole_mask(raw / row.mask, values_from_text(row.mask_values))
            likely = to_original(of_image, truth.shape[1], truth.shape[0], card.image.resize)
            return {column: getattr(row, column) for column in COPIED} | rate_mask(
                truth, likely, card.classes, names, in_detail
            )

        with ThreadPoolExecutor(_threads(raw, rows, len(card.classes))) as pool:
            return pd.DataFrame(list(pool.map(rate_row, rows.itertuples(), probabilities)))

    def images(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> SegmentedImages:
        """See `EvaluationOfKind`."""
        matrices = np.stack(predictions["confusion"].tolist()).astype(float)
        pixels, losses, outlines = (predictions[name].to_numpy(float) for name in ("pixels", "loss", "boundary_f"))
        matrices = matrices.reshape(-1, len(classes), len(classes) + 1)
        return SegmentedImages(matrices, pixels, losses, outlines, group_numbers(predictions))

    def rows_with(self, predictions: pd.DataFrame, classes: tuple[str, ...], known: tuple[str, ...]) -> Positions:
        """Returns the images with a pixel of a class in `known`."""
        pixels = self.images(predictions, classes).confusion.sum(axis=2)
        return np.flatnonzero(pixels[:, np.isin(classes, known)].any(axis=1))

    def images_of(self, predictions: pd.DataFrame, classes: tuple[str, ...], known: tuple[str, ...]) -> SegmentedImages:
        """Returns images whose confusion has only `known`; losses and outlines still include all classes."""
        images, kept = self.images(predictions, classes), np.flatnonzero(np.isin(classes, known))
        of_known = images.confusion[:, kept]
        others = of_known.sum(axis=2) - of_known[:, :, kept].sum(axis=2)
        return replace(images, confusion=np.concatenate([of_known[:, :, kept], others[..., None]], axis=2))

    def floor_images(self, images: SegmentedImages) -> SegmentedImages:
        """Returns images in which each pixel has the class of most pixels, and the share of each class as probability.

        There are no outlines.
        """
        pixels = images.confusion.sum(axis=2)
        shares = pixels.sum(axis=0) / max(pixels.sum(), 1)
        confusion = np.zeros_like(images.confusion)
        confusion[:, :, shares.argmax()] = pixels
        losses = pixels @ -np.log(np.clip(shares, np.finfo(np.float32).eps, 1))
        return replace(images, confusion=confusion, losses=losses, outlines=np.zeros_like(images.outlines))

    def details(self, predictions: pd.DataFrame, classes: tuple[str, ...], params: Evaluate) -> dict[str, Any]:
        """Returns `pixels`, the number of pixels that have a class, and metrics by class.

        These are iou (None where the class is neither true nor predicted) and recall (None without true pixels), both
        with intervals, support (pixels of the class) and images (that have the class).
        """
        images = self.images(predictions, classes)
        per_class = {name: _of_class(images, number, params) for number, name in enumerate(classes)}
        return {"pixels": int(images.pixels.sum()), "per_class": per_class}

    def card_metrics(self, predictions: pd.DataFrame, card: ModelCard, params: Evaluate) -> dict[str, Any]:
        """Returns nothing: the probabilities of the pixels are not stored."""
        return {}

    def by_class(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> Floats:
        """See `EvaluationOfKind`."""
        return ious(self.images(predictions, classes).confusion.sum(axis=0))

    def confusion(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
        """Returns about `PIXEL_ROWS` rows, each of which stands for the same number of pixels."""
        matrix = self.images(predictions, classes).confusion.sum(axis=0)[:, :-1]
        counts = np.rint(PIXEL_ROWS * matrix / max(matrix.sum(), 1)).astype(int)
        pairs = [(true, predicted) for true in classes for predicted in classes]
        table = pd.DataFrame(pairs, columns=["actual", "predicted"])
        return table.loc[table.index.repeat(counts.ravel())]

    def draw(
        self, predictions: pd.DataFrame, model: LiteModel, card: ModelCard, title: str, raw: Path, most: int, out: Path
    ) -> None:
        """See `draw_segmentation`."""
        matrix = self.images(predictions, card.classes).confusion.sum(axis=0)
        draw_segmentation(predictions, matrix, model, card, title, raw, most, out)

    def truth(self, rows: pd.DataFrame, card: ModelCard, raw: Path) -> Array:
        """Returns the masks, (n, side, side, 1)."""
        return read_masks(raw, rows, card.image)[..., None]

    def goals(self, truth: Array, probabilities: Floats) -> Array:
        """See `least_likely_wrong`."""
        return least_likely_wrong(truth, probabilities)

    def predicted_truth(self, probabilities: Floats, card: ModelCard) -> Array:
        """See `EvaluationOfKind`."""
        return most_likely(probabilities)

    def with_class(self, truth: Array, position: int) -> Array:
        """See `EvaluationOfKind`."""
        return np.full_like(truth, position)

    def goal_labels(self, untouched: pd.DataFrame, card: ModelCard) -> Array | None:
        """Returns None: each pixel has a goal."""
        return None

    def shown(self, images: Pixels, probabilities: Floats, card: ModelCard) -> tuple[Pixels, list[str]]:
        """Returns the images with the predicted mask on them, and the class of most pixels with its share."""
        masks = probabilities.argmax(axis=-1).astype(np.uint8)
        pictures = [overlay(image, mask, card.classes) for image, mask in zip(images, masks, strict=True)]
        counts = [np.bincount(mask.ravel()) for mask in masks]
        texts = [f"{card.classes[count.argmax()]} {count.max() / count.sum():.1%}" for count in counts]
        return np.stack(pictures), texts

    def compare(
        self,
        old: pd.DataFrame,
        new: pd.DataFrame,
        classes: tuple[str, ...],
        test: SignificanceTest,
        seed: int,
    ) -> Changes:
        """Compares the IoU of each class, and finds the images whose mean IoU falls or rises.

        The greatest change comes first.
        """
        before, after = (self.images(predictions, classes) for predictions in (old, new))
        gains = new["mean_iou"].to_numpy(float) - old["mean_iou"].to_numpy(float)
        changes = tuple(_iou_changes(before, after, classes, test, seed))
        return Changes(changes, negative_first(gains), negative_first(-gains))

    def explain_changes(self, most: int) -> tuple[str, str]:
        """See `EvaluationOfKind`."""
        order = f"At most {most} are shown, those with the greatest change."
        return f"The mean IoU of these images falls. {order}", f"The mean IoU of these images rises. {order}"

    def change_caption(self, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> list[str]:
        """See `EvaluationOfKind`."""
        return [f"{age} mean IoU {one['mean_iou']:.3f}" for age, one in (("new:", new), ("old:", old))]


def _threads(raw: Path, rows: pd.DataFrame, classes: int) -> int:
    """Returns how many images of their file's size are compared at once: one for each core, within `MOST_BYTES`."""
    pixels = [1]
    for mask in rows["mask"]:
        with Image.open(raw / mask) as opened:
            pixels.append(opened.width * opened.height)
    return max(1, min(os.cpu_count() or 1, MOST_BYTES // (BYTES_OF_A_VALUE * classes * max(pixels))))


def _of_class(images: SegmentedImages, number: int, params: Evaluate) -> dict[str, Any]:
    hits, support = images.confusion[:, number, number], images.confusion[:, number].sum(axis=1)
    union = support + images.confusion[:, :, number].sum(axis=1) - hits
    return {
        **ratio_with_interval("iou", hits, union, images.groups, params),
        **ratio_with_interval("recall", hits, support, images.groups, params),
        "support": int(support.sum()),
        "images": int((support > 0).sum()),
    }


def _iou_changes(
    old: SegmentedImages,
    new: SegmentedImages,
    classes: tuple[str, ...],
    test: SignificanceTest,
    seed: int,
) -> list[ClassComparison]:
    """Compares the IoU of each class, with t intervals whose standard error is that of `swapped_differences`."""
    before, after = (ious(images.confusion.sum(axis=0)) for images in (old, new))
    swapped = swapped_differences(of_confusion(stacked(new, old), ious), old.groups, test, seed)
    errors = np.sqrt(np.nanmean(swapped**2, axis=0))
    holding = old.confusion.sum(axis=2) > 0
    present, changes = np.flatnonzero(holding.any(axis=0)), []
    for column in present:
        size = int(holding[:, column].sum()), len(np.unique(old.groups[holding[:, column]]))
        drop = float(before[column] - after[column])
        reach, far = (t_reach(float(errors[column]), size[1], part) for part in (test.level, test.level / len(present)))
        values = float(before[column]), float(after[column])
        changes.append(ClassComparison(classes[column], *size, *values, drop - reach, drop + reach, drop - far))
    return changes
