"""Predictions of labels for images, with an exported model."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transferline.arrays import Pixels
from transferline.datasets.images import read_image, read_pixels
from transferline.errors import TransferlineError
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel, Outputs
from transferline.problems.label_decision import decide, possible_labels, reason_without_label

BATCH = 32
MOST_CLASSES, KEPT = 200, 5


@dataclass(frozen=True)
class Prediction:
    """What a model predicts for one image.

    Attributes:
        path: the file; for an array of pixels its position among the images, such as `[0]`.
        label: the most probable class; None if there is a `reason` or an `error`.
        probability: of the most probable class; None if the file could not be read.
        labels: `label` alone; for a multilabel problem all that pass their thresholds, in the order of the classes.
        probabilities: by class; with more than `MOST_CLASSES` classes only the `KEPT` most probable, and those of
            `possible_labels` and of `labels`.
        reason: why the model predicts no label for a file that could be read: "unsure" or "unlike the training images";
            else None.
        possible_labels: the labels that remain possible, the most probable first; None if the model has no `rejection`.
        novelty: the share of the validation images that are nearer to the training images, from 0 to 1; None if it is
            not known.
        error: why the file could not be read; None if it could.
    """

    path: str
    label: str | None
    probability: float | None
    labels: tuple[str, ...]
    probabilities: dict[str, float]
    reason: str | None
    possible_labels: tuple[str, ...] | None
    novelty: float | None
    error: str | None


def predict_images(card: ModelCard, model: LiteModel, images: Sequence[Path | Pixels]) -> Iterator[Prediction]:
    """Yields a prediction for each image, in order; a file that is not an image gets an error instead of a label.

    Args:
        card: the card of the model.
        model: an exported model.
        images: image files, or arrays of pixels for `read_pixels`, whose position becomes the path.
    """
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(images), BATCH):
            chunk = images[start : start + BATCH]
            found = list(pool.map(lambda image: _read(image, card), chunk))
            readable = [pixels for pixels in found if not isinstance(pixels, str)]
            rows = iter(model.outputs(np.stack(readable))) if readable else iter(())
            for place, (image, pixels) in enumerate(zip(chunk, found, strict=True), start):
                name = f"[{place}]" if isinstance(image, np.ndarray) else str(image)
                if isinstance(pixels, str):
                    yield Prediction(name, None, None, (), {}, None, None, None, pixels)
                else:
                    yield prediction_of(name, card, next(rows))


def prediction_of(path: str | Path, card: ModelCard, outputs: Outputs) -> Prediction:
    """Returns the prediction that follows from a model's outputs for one image; see `label_decision`."""
    row, novelty = outputs
    reason, possible = reason_without_label(outputs, card), possible_labels(row, card)
    order, chosen = np.argsort(-row, kind="stable"), () if reason else np.flatnonzero(decide(row[None], card)[0])
    most_probable = order[: max(KEPT, len(possible or ()))]
    kept = range(len(row)) if len(row) <= MOST_CLASSES else dict.fromkeys([*most_probable, *chosen])
    return Prediction(
        str(path),
        None if reason else card.classes[order[0]],
        float(row[order[0]]),
        tuple(card.classes[index] for index in chosen),
        {card.classes[index]: float(row[index]) for index in kept},
        reason,
        possible,
        novelty.share if novelty else None,
        None,
    )


def _read(source: Path | Pixels, card: ModelCard) -> Pixels | str:
    try:
        if isinstance(source, np.ndarray):
            return read_pixels(source, card.image)
        return read_image(source, card.image, card.max_pixels)
    except TransferlineError as error:
        return str(error)
