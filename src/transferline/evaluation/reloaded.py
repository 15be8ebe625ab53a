"""What is measured on an exported model, loaded in a fresh process: that it is still the trained one, its speed."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from transferline.data.images import read_batches
from transferline.errors import TransferlineError
from transferline.evaluation.score import BATCH_SIZE
from transferline.models.exported import MODEL_FILE, ModelCard, class_probabilities, probabilities

PARITY = 1e-5
WARM_UP = 3


def check_parity(model: Any, card: ModelCard, folder: Path, raw: Path) -> float:
    """Compares the reloaded model with what the trained one said of some images before it was saved.

    Args:
        model: loaded from `folder`.
        card: its card.
        folder: holds `parity.npz` with paths (relative to `raw`) and probabilities (n, classes) float32.
        raw: the folder of the images.

    Returns:
        The largest difference of a probability.

    Raises:
        TransferlineError: it is above `PARITY`.
    """
    with np.load(folder / "parity.npz") as stored:
        paths, trained = stored["paths"].tolist(), stored["probabilities"]
    difference = float(np.abs(probabilities(model, read_batches(raw, paths, card.image, BATCH_SIZE)) - trained).max())
    if np.isnan(difference) or difference > PARITY:
        raise TransferlineError(
            f"{folder / MODEL_FILE}: the {card.phase} model of {card.candidate}, saved and loaded again, differs from "
            f"the trained one by up to {difference:.2g} in a probability, and {PARITY:g} is allowed; train it again"
        )
    return difference


def _milliseconds(model: Any, images: np.ndarray[Any, np.dtype[np.uint8]], repeats: int) -> list[float]:
    times = []
    for _ in range(WARM_UP + repeats):
        start = time.perf_counter()
        class_probabilities(model, images)
        times.append(1000 * (time.perf_counter() - start))
    return times[WARM_UP:]


def measure_latency(model: Any, card: ModelCard) -> dict[str, float]:
    """Times the way from pixels in memory to probabilities, after a warm-up.

    Returns:
        `one_image_ms` (median) and `one_image_p90_ms` for a batch of one, `batch_32_ms_per_image` (median).
    """
    side, channels = card.image.size, 3 if card.image.color == "rgb" else 1
    images = np.random.default_rng(0).integers(0, 256, (32, side, side, channels), dtype=np.uint8)
    one, batch = _milliseconds(model, images[:1], 30), _milliseconds(model, images, 5)
    return {
        "one_image_ms": float(np.median(one)),
        "one_image_p90_ms": float(np.quantile(one, 0.9)),
        "batch_32_ms_per_image": float(np.median(batch)) / 32,
    }
