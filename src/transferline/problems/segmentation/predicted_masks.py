"""Predicted probabilities of pixels against a mask, at the size of the image's file."""

from typing import Any

import numpy as np

from transferline.arrays import Floats, Mask
from transferline.datasets.tables import SEPARATOR
from transferline.metrics.outlines import boundary_f
from transferline.metrics.pixel_confusion import mean_iou, pixel_accuracy, pixel_confusion


def rate_mask(
    truth: Mask, likely: Floats, own: tuple[str, ...], names: tuple[str, ...], in_detail: bool
) -> dict[str, Any]:
    """Compares a prediction with a mask.

    Args:
        truth: (height, width), values as `names`; others are void.
        likely: (height, width, classes of the model).
        own: the model's classes.
        names: the mask's classes.
        in_detail: whether `boundary_f` is wanted, which takes most of the time.

    Returns:
        predicted (the names of the classes that are predicted), confidence (mean probability of the most probable
        class), mean_iou, pixel_accuracy and boundary_f of the image by itself, pixels (that have a class), loss (the
        sum of their -ln(probability of the truth)), and confusion (see `pixel_confusion`, flat).
    """
    likely = _by_name(likely, own, names)
    said = likely.argmax(axis=-1).astype(np.uint8)
    known = truth < len(names)
    of_truth = np.take_along_axis(likely[known], truth[known][:, None].astype(np.intp), axis=-1)
    matrix = pixel_confusion(truth, said, len(names))
    return {
        "predicted": SEPARATOR.join(name for number, name in enumerate(names) if (said == number).any()),
        "confidence": float(likely.max(axis=-1).mean()),
        "mean_iou": float(mean_iou(matrix)),
        "pixel_accuracy": float(pixel_accuracy(matrix)),
        "boundary_f": boundary_f(truth, said, len(names)) if in_detail else np.nan,
        "pixels": int(known.sum()),
        "loss": float(-np.log(np.clip(of_truth.astype(float), np.finfo(np.float32).eps, 1)).sum()),
        "confusion": matrix.ravel(),
    }


def _by_name(values: Floats, own: tuple[str, ...], names: tuple[str, ...]) -> Floats:
    """The probabilities of `names`, and behind them that of the most probable other class: (…, names + 1)."""
    empty = np.zeros(values.shape[:-1], values.dtype)
    others = [values[..., number] for number, name in enumerate(own) if name not in names]
    columns = [values[..., own.index(name)] if name in own else empty for name in names]
    return np.stack([*columns, np.max(others, axis=0) if others else empty], axis=-1)
