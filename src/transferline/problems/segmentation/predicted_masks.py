"""The comparison of predicted probabilities of pixels with a mask, in the size of the image's file."""

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
        truth: (height, width); values are positions in `names`, other values are void.
        likely: probabilities, (height, width, classes of the model).
        own: the model's classes.
        names: the mask's classes.
        in_detail: whether to compute `boundary_f`, which takes most of the time; else it is NaN.

    Returns:
        predicted: names of the predicted classes, joined.
        confidence: the mean probability of the most probable class.
        mean_iou, pixel_accuracy, boundary_f: of this image alone.
        pixels: the number of pixels that have a class.
        loss: the sum of their -ln(probability of the true class).
        confusion: see `pixel_confusion`, flat.
    """
    likely = _by_name(likely, own, names)
    predicted = likely.argmax(axis=-1).astype(np.uint8)
    known = truth < len(names)
    of_truth = np.take_along_axis(likely[known], truth[known][:, None].astype(np.intp), axis=-1)
    matrix = pixel_confusion(truth, predicted, len(names))
    return {
        "predicted": SEPARATOR.join(name for number, name in enumerate(names) if (predicted == number).any()),
        "confidence": float(likely.max(axis=-1).mean()),
        "mean_iou": float(mean_iou(matrix)),
        "pixel_accuracy": float(pixel_accuracy(matrix)),
        "boundary_f": boundary_f(truth, predicted, len(names)) if in_detail else np.nan,
        "pixels": int(known.sum()),
        "loss": float(-np.log(np.clip(of_truth.astype(float), np.finfo(np.float32).eps, 1)).sum()),
        "confusion": matrix.ravel(),
    }


def _by_name(values: Floats, own: tuple[str, ...], names: tuple[str, ...]) -> Floats:
    """Returns the probabilities of `names`, then that of the most probable other class, if there are others."""
    if own == names:
        return values
    empty = np.zeros(values.shape[:-1], values.dtype)
    others = [values[..., number] for number, name in enumerate(own) if name not in names]
    columns = [values[..., own.index(name)] if name in own else empty for name in names]
    return np.stack([*columns, np.max(others, axis=0) if others else empty], axis=-1)
