"""Predicts all kept images of a dataset with one model, and measures each image."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from transferline.arrays import Array, Floats, Pixels
from transferline.compute import run_shards
from transferline.datasets.images import read_batches
from transferline.datasets.tables import ImageTable
from transferline.evaluation.scoring import IMAGES_PER_SHARD, loaded
from transferline.hashes import file_sha256
from transferline.insight.insight_table import InsightTable, as_stored, insight_table
from transferline.models.exported import LITE_FILE, load_model, read_card, read_held_out
from transferline.params import Compute
from transferline.params.problem_kinds import KINDS
from transferline.problems.evaluation import evaluation_of

MEASURED_BY_VALIDATE = {"luminance_mean": "brightness", "luminance_std": "contrast"}
COLUMNS = ["path", "sha256", "split", "label", "group", "width", "height", *MEASURED_BY_VALIDATE.values()]


class _Shard(NamedTuple):
    """The values of some images; see `InsightTable`."""

    sharpness: Floats
    probabilities: Array | None
    features: Array | None


def predict_all_images(folder: Path, manifest: ImageTable, raw: Path, compute: Compute | None = None) -> InsightTable:
    """Predicts all kept images of every split. A refitted model has its predictions for validation before the refit.

    Args:
        folder: of the exported model.
        manifest: the manifest.
        raw: the folder of the images.
        compute: where the images are predicted; by default in this process.
    """
    card = read_card(folder)
    kept = manifest.rows[manifest.rows["kept"]].rename(columns=MEASURED_BY_VALIDATE)
    rows = kept[COLUMNS].reset_index(drop=True)
    paths = rows["path"].tolist()
    shards = [paths[start : start + IMAGES_PER_SHARD] for start in range(0, len(paths), IMAGES_PER_SHARD)]
    work = partial(_predict_shard, folder, (folder / LITE_FILE).stat().st_mtime_ns, raw)
    parts = run_shards(work, shards, compute, f"predict all images by {card.candidate} {card.phase}, shards")
    sharpness, probabilities, features = (
        np.concatenate(values) if values[0] is not None else None for values in zip(*parts, strict=True)
    )
    if (held_out := read_held_out(folder)) and probabilities is not None:
        probabilities = np.stack([held_out.get(path, row) for path, row in zip(paths, probabilities, strict=True)])
    return insight_table(
        rows.assign(sharpness=sharpness), card, probabilities, features, file_sha256(folder / LITE_FILE)
    )


def features_of(folder: Path, raw: Path, paths: Sequence[str]) -> Array:
    """Returns the vectors before the last layer of a model that outputs them, (n, length) float32, n ≥ 0.

    Args:
        folder: of the exported model.
        raw: the folder of the images.
        paths: the images, relative to `raw`.
    """
    card, model = read_card(folder), load_model(folder)
    parts = [
        model.run([images])[1]
        for images in read_batches(raw, paths, card.image, evaluation_of(card.problem).batch_size)
    ]
    length = model.output_shapes[1][1]
    return np.concatenate([np.empty((0, length or 0), np.float32), *parts])


def _predict_shard(folder: Path, changed: int, raw: Path, paths: Sequence[str]) -> _Shard:
    card, model = read_card(folder), loaded(folder, changed)
    sharp: list[float] = []
    outputs: list[list[Floats]] = []
    for images in read_batches(raw, paths, card.image, evaluation_of(card.problem).batch_size):
        sharp += [sharpness(image) for image in images]
        if not KINDS[card.problem].has_masks:
            outputs.append(model.run([images]))
    probabilities, *features = (np.concatenate(arrays) for arrays in zip(*outputs, strict=True)) if outputs else (None,)
    return _Shard(np.array(sharp), probabilities, as_stored(features[0]) if features else None)


def sharpness(image: Pixels) -> float:
    """Returns the variance of the Laplacian of an image's luminance; a blurred image has a low one.

    It depends on the size of the image, so only values of images of one size are comparable.

    Source: J. L. Pech-Pacheco et al., Diatom Autofocusing in Brightfield Microscopy, ICPR 2000.

    Args:
        image: (height, width, channels) uint8, with 1 or 3 channels.
    """
    luminance = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.shape[2] == 3 else image
    return float(cv2.Laplacian(luminance, cv2.CV_32F).var())
