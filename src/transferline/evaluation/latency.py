"""The speed of an exported model."""

import time

import numpy as np

from transferline.arrays import Pixels
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel

WARM_UP = 3


def _milliseconds(model: LiteModel, images: Pixels, repeats: int) -> list[float]:
    times = []
    for _ in range(WARM_UP + repeats):
        start = time.perf_counter()
        model.probabilities(images)
        times.append(1000 * (time.perf_counter() - start))
    return times[WARM_UP:]


def _noise(card: ModelCard, count: int) -> Pixels:
    side, channels = card.image.size, 3 if card.image.color == "rgb" else 1
    return np.random.default_rng(0).integers(0, 256, (count, side, side, channels), dtype=np.uint8)


def one_image_times(model: LiteModel, card: ModelCard, repeats: int = 30) -> list[float]:
    """Returns times in ms from an image in memory to its probabilities, in a batch of one, after a warm-up."""
    return _milliseconds(model, _noise(card, 1), repeats)


def measure_latency(model: LiteModel, card: ModelCard) -> dict[str, float]:
    """Measures the time from pixels in memory to probabilities, after a warm-up.

    Returns:
        `one_image_ms` (median) and `one_image_p90_ms` for a batch of one, `batch_32_ms_per_image` (median).
    """
    one, batch = one_image_times(model, card), _milliseconds(model, _noise(card, 32), 5)
    return {
        "one_image_ms": float(np.median(one)),
        "one_image_p90_ms": float(np.quantile(one, 0.9)),
        "batch_32_ms_per_image": float(np.median(batch)) / 32,
    }
