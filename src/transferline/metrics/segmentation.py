"""Figures of a segmentation: what a model says of each pixel against the masks, at the size of the image's file."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Array, Counts, Flags, Floats, Mask
from transferline.datasets.images import read_batches
from transferline.datasets.masks import VOID, read_whole_mask, to_original
from transferline.datasets.tables import SEPARATOR
from transferline.metrics.resampling import Figure, with_intervals
from transferline.models.exported import ModelCard
from transferline.params import Evaluate
from transferline.progress import progress

BATCH_SIZE = 8
TOLERANCE = 0.0075  # of the image's diagonal, for boundaries


def pixel_confusion(truth: Array, said: Array, classes: int) -> Counts:
    """Pixels by true class and by what is said of them, (classes, classes + 1); the last column is of other classes.

    Args:
        truth: of any shape; pixels of other values than 0 to `classes` - 1 do not count.
        said: of the same shape, 0 to `classes`.
        classes: their number.
    """
    known = truth < classes
    pairs = truth[known].astype(np.int64) * (classes + 1) + said[known]
    return np.bincount(pairs, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def ious(matrix: Array) -> Floats:
    """Intersection over union of each class, (…, classes), from `pixel_confusion` (…, classes, classes + 1); NaN for a
    class that neither the truth nor the answer holds."""
    square = matrix[..., :-1]
    hits = np.diagonal(square, axis1=-2, axis2=-1)
    union = matrix.sum(axis=-1) + square.sum(axis=-2) - hits
    return np.where(union > 0, hits / np.maximum(union, 1), np.nan)


def mean_iou(matrix: Array) -> Floats:
    """The mean of `ious` over the classes that have one, (…)."""
    values = ious(matrix)
    known = ~np.isnan(values)
    mean: Floats = np.where(known, values, 0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
    return mean


def pixel_accuracy(matrix: Array) -> Floats:
    """The share of the pixels that are right, (…)."""
    hits: Floats = np.trace(matrix[..., :-1], axis1=-2, axis2=-1) / np.maximum(matrix.sum(axis=(-2, -1)), 1)
    return hits


def boundary_f(truth: Mask, said: Mask, classes: int) -> float:
    """How well the outlines of an image's classes agree: the mean over the classes that either mask holds of the
    harmonic mean of two shares, that of the true outline near the said one, and the other way round.

    Csurka, Larlus and Perronnin, What is a good evaluation measure for semantic segmentation?, BMVC 2013; near is up to
    0.75% of the diagonal. Void pixels are void in both masks, and their edge counts as outline.

    Args:
        truth: (height, width).
        said: likewise.
        classes: their number.

    Returns:
        0 to 1; 1 where neither mask has an outline.
    """
    said = np.where(truth < classes, said, VOID)
    reach = max(1, round(TOLERANCE * float(np.hypot(*truth.shape))))
    pairs = [(_outline(truth == one), _outline(said == one)) for one in range(classes)]
    values = [_agreement(one, other, reach) for one, other in pairs if one.any() or other.any()]
    return float(np.mean(values)) if values else 1.0


def _outline(region: Flags) -> Flags:
    """The pixels of a region that have another one beside them; the image's border is no outline."""
    padded = np.pad(region, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return region & ~inner


def _agreement(one: Flags, other: Flags, reach: int) -> float:
    if not (one.any() and other.any()):
        return 0.0
    recall, precision = (_share_near(*pair, reach) for pair in ((one, other), (other, one)))
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def _share_near(outline: Flags, other: Flags, reach: int) -> float:
    from scipy.ndimage import distance_transform_edt

    return float((distance_transform_edt(~other)[outline] <= reach).mean())


def predict_masks(
    model: Any, card: ModelCard, raw: Path, rows: pd.DataFrame, classes: tuple[str, ...] | None = None
) -> pd.DataFrame:
    """Predicts images; arguments and result as in `rate`."""
    paths = rows["path"].tolist()
    batches = read_batches(raw, paths, card.image, BATCH_SIZE)
    shown = progress(batches, -(-len(paths) // BATCH_SIZE), f"predict {card.candidate} {card.phase}, batches")
    parts = [
        rate(model.probabilities(images), card, rows.iloc[number * BATCH_SIZE :][: len(images)], raw, classes)
        for number, images in enumerate(shown)
    ]
    return pd.concat(parts, ignore_index=True)


def rate(
    values: Floats,
    card: ModelCard,
    rows: pd.DataFrame,
    raw: Path,
    classes: tuple[str, ...] | None = None,
    with_outlines: bool = True,
) -> pd.DataFrame:
    """Compares a model's answers with the masks.

    Args:
        values: (n, size, size, classes of the card) probabilities.
        card: of the model.
        rows: n rows of the manifest.
        raw: the folder that the paths are relative to.
        classes: what the masks' values mean; those of the card if left out.
        with_outlines: whether `boundary_f` is wanted, which takes most of the time.

    Returns:
        Columns path, mask, split, label; predicted (the names of the classes that are said), confidence (mean
        probability of the most probable class), mean_iou, pixel_accuracy and boundary_f of the image by itself, pixels
        (that have a class), loss (the sum of their -ln(probability of the truth)), and confusion (see there, flat).
    """
    names = classes or card.classes

    def compare(row: Any, of_image: Floats) -> dict[str, Any]:
        truth = read_whole_mask(raw / row.mask, len(names))
        likely = to_original(of_image, truth.shape[1], truth.shape[0], card.image.resize)
        return {column: getattr(row, column) for column in ("path", "mask", "split", "label")} | _compare(
            truth, _by_name(likely, card.classes, names), names, with_outlines
        )

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return pd.DataFrame(list(pool.map(compare, rows.itertuples(), values)))


def _by_name(values: Floats, own: tuple[str, ...], names: tuple[str, ...]) -> Floats:
    """The probabilities of `names`, and behind them that of the most probable other class: (…, names + 1)."""
    empty = np.zeros(values.shape[:-1], values.dtype)
    others = [values[..., number] for number, name in enumerate(own) if name not in names]
    columns = [values[..., own.index(name)] if name in own else empty for name in names]
    return np.stack([*columns, np.max(others, axis=0) if others else empty], axis=-1)


def _compare(truth: Mask, likely: Floats, names: tuple[str, ...], with_outlines: bool) -> dict[str, Any]:
    said = likely.argmax(axis=-1).astype(np.uint8)
    known = truth < len(names)
    of_truth = np.take_along_axis(likely[known], truth[known][:, None].astype(np.intp), axis=-1)
    matrix = pixel_confusion(truth, said, len(names))
    return {
        "predicted": SEPARATOR.join(name for number, name in enumerate(names) if (said == number).any()),
        "confidence": float(likely.max(axis=-1).mean()),
        "mean_iou": float(mean_iou(matrix)),
        "pixel_accuracy": float(pixel_accuracy(matrix)),
        "boundary_f": boundary_f(truth, said, len(names)) if with_outlines else np.nan,
        "pixels": int(known.sum()),
        "loss": float(-np.log(np.clip(of_truth.astype(float), np.finfo(np.float32).eps, 1)).sum()),
        "confusion": matrix.ravel(),
    }


def total_confusion(predictions: pd.DataFrame, classes: int) -> Counts:
    """The pixels of all images of `rate`'s result, see `pixel_confusion`."""
    total: Counts = np.sum(predictions["confusion"].tolist(), axis=0, dtype=np.int64)
    return total.reshape(classes, classes + 1)


def of_confusion(predictions: pd.DataFrame, classes: int, figure: Callable[[Floats], Floats]) -> Figure:
    """A figure of the confusion over all pixels, as a function of the images' weights (see `resampling`)."""
    matrices = np.stack(predictions["confusion"].tolist()).astype(float)
    return lambda weights: figure((weights @ matrices).reshape(len(weights), classes, classes + 1))


def segmentation_figures(predictions: pd.DataFrame, classes: int) -> dict[str, Figure]:
    """Mean IoU, pixel accuracy, boundary F-score and log loss as functions of the images' weights.

    Mean IoU and pixel accuracy are those of the pixels of all images together, log loss is their mean, the boundary
    F-score the mean over images.

    Args:
        predictions: see `rate`.
        classes: their number.
    """
    loss, pixels, outlines = (predictions[name].to_numpy(float) for name in ("loss", "pixels", "boundary_f"))
    return {
        "mean_iou": of_confusion(predictions, classes, mean_iou),
        "pixel_accuracy": of_confusion(predictions, classes, pixel_accuracy),
        "boundary_f": lambda weights: weights @ outlines / weights.sum(axis=1),
        "log_loss": lambda weights: weights @ loss / np.maximum(weights @ pixels, 1),
    }


def segmentation_metrics(predictions: pd.DataFrame, classes: tuple[str, ...], params: Evaluate) -> dict[str, Any]:
    """All figures of one set of images.

    Args:
        predictions: see `rate`, n ≥ 1 rows.
        classes: names.
        params: resamples of images, and confidence of the intervals.

    Returns:
        n; pixels (that have a class); the figures of `segmentation_figures`, each with its interval as `_low` and
        `_high`; per_class: iou (None of a class that is nowhere), recall, support (pixels) and images (that have it).
    """
    matrix = total_confusion(predictions, len(classes))
    support, hits = matrix.sum(axis=1), np.diagonal(matrix)
    images = np.sum([np.reshape(one, matrix.shape).sum(axis=1) > 0 for one in predictions["confusion"]], axis=0)
    per_class = {
        name: {
            "iou": None if np.isnan(iou) else float(iou),
            "recall": float(hits[number] / support[number]) if support[number] else None,
            "support": int(support[number]),
            "images": int(images[number]),
        }
        for number, (name, iou) in enumerate(zip(classes, ious(matrix), strict=True))
    }
    figures = with_intervals(segmentation_figures(predictions, len(classes)), len(predictions), params)
    return {"n": len(predictions), "pixels": int(support.sum()), **figures, "per_class": per_class}
