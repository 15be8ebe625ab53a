"""What is measured on an exported model, loaded in a fresh process: that it is still the trained one, its speed."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from transferline.errors import TransferlineError
from transferline.models.exported import MODEL_FILE, PARITY_FILE, ModelCard, class_probabilities

PARITY = 1e-5
WARM_UP = 3


def check_parity(model: Any, card: ModelCard, folder: Path) -> None:
    """Compares the reloaded model with what the trained one said of some images before it was saved.

    Args:
        model: loaded from `folder`.
        card: its card.
        folder: holds `parity.npz` with images (n, size, size, channels) uint8 and probabilities (n, classes) float32.

    Raises:
        TransferlineError: a probability differs by more than `PARITY`.
    """
    with np.load(folder / PARITY_FILE) as stored:
        images, trained = stored["images"], stored["probabilities"]
    difference = float(np.abs(class_probabilities(model, images) - trained).max())
    if np.isnan(difference) or difference > PARITY:
        raise TransferlineError(
            f"{folder / MODEL_FILE}: the {card.phase} model of {card.candidate}, saved and loaded again, differs from "
            f"the trained one by up to {difference:.2g} in a probability, and {PARITY:g} is allowed; train it again"
        )


def _milliseconds(model: Any, images: np.ndarray[Any, np.dtype[np.uint8]], repeats: int) -> list[float]:
    times = []
    for _ in range(WARM_UP + repeats):
        start = time.perf_counter()
        class_probabilities(model, images)
        times.append(1000 * (time.perf_counter() - start))
    return times[WARM_UP:]


def _noise(card: ModelCard, count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    side, channels = card.image.size, 3 if card.image.color == "rgb" else 1
    return np.random.default_rng(0).integers(0, 256, (count, side, side, channels), dtype=np.uint8)


def one_image_times(model: Any, card: ModelCard, repeats: int = 30) -> list[float]:
    """Times in milliseconds from an image in memory to its probabilities, in a batch of one, after a warm-up."""
    return _milliseconds(model, _noise(card, 1), repeats)


def measure_latency(model: Any, card: ModelCard) -> dict[str, float]:
    """Times the way from pixels in memory to probabilities, after a warm-up.

    Returns:
        `one_image_ms` (median) and `one_image_p90_ms` for a batch of one, `batch_32_ms_per_image` (median).
    """
    one, batch = one_image_times(model, card), _milliseconds(model, _noise(card, 32), 5)
    return {
        "one_image_ms": float(np.median(one)),
        "one_image_p90_ms": float(np.quantile(one, 0.9)),
        "batch_32_ms_per_image": float(np.median(batch)) / 32,
    }
