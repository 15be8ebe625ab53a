"""Predictions for image files, with any exported model."""

import csv
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transferline import params
from transferline.data.images import IMAGE_SUFFIXES, Pixels, read_image
from transferline.errors import TransferlineError
from transferline.models.exported import class_probabilities, load_model, read_card

BATCH = 32


@dataclass(frozen=True)
class Prediction:
    """What a model says of one file.

    Attributes:
        path: the file.
        label: the most probable class; None if the file could not be read.
        probability: its probability.
        probabilities: that of each class.
        error: why the file could not be read; None if it could.
    """

    path: str
    label: str | None
    probability: float | None
    probabilities: dict[str, float]
    error: str | None


def find_images(sources: list[str]) -> list[Path]:
    """The files that `sources` name: a file as it is, of a folder (and below) and of a glob the images.

    Raises:
        TransferlineError: a source names nothing.
    """
    found: dict[Path, None] = {}
    for source in sources:
        path = Path(source)
        if path.is_file():
            matches = [path]
        else:
            below = path.rglob("*") if path.is_dir() else Path(path.anchor).glob(str(path.relative_to(path.anchor)))
            files = sorted(below)
            matches = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()]
        if not matches:
            raise TransferlineError(f"{source}: no image there; looked for {' '.join(IMAGE_SUFFIXES)}")
        found.update(dict.fromkeys(matches))
    return list(found)


def predict(folder: Path, paths: list[Path]) -> Iterator[Prediction]:
    """Yields a prediction for each file, in order; one that is not an image gets an error instead of a label.

    Args:
        folder: a model folder.
        paths: image files.
    """
    card, model = read_card(folder), load_model(folder)
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), BATCH):
            chunk = paths[start : start + BATCH]
            images = list(pool.map(lambda path: _read(path, card.image), chunk))
            readable = [image for image in images if not isinstance(image, str)]
            rows = class_probabilities(model, np.stack(readable)).tolist() if readable else []
            for path, image in zip(chunk, images, strict=True):
                if isinstance(image, str):
                    yield Prediction(str(path), None, None, {}, image)
                else:
                    yield _prediction(path, dict(zip(card.classes, rows.pop(0), strict=True)))


def _prediction(path: Path, probabilities: dict[str, float]) -> Prediction:
    label = max(probabilities, key=probabilities.__getitem__)
    return Prediction(str(path), label, probabilities[label], probabilities, None)


def write_csv(predictions: Sequence[Prediction], path: Path) -> None:
    """Writes a table with the columns path, label, probability, one for each class, and error."""
    classes = list(next((found.probabilities for found in predictions if not found.error), {}))
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "probability", *classes, "error"])
        for found in predictions:
            values = [found.probabilities.get(name) for name in classes]
            table.writerow([found.path, found.label, found.probability, *values, found.error])


def as_text(predictions: Sequence[Prediction]) -> str:
    """A line for each file that could be read: label, probability, path, and the next probable classes."""
    width = max((len(found.label) for found in predictions if found.label), default=0)
    lines = []
    for found in predictions:
        if found.label is not None:
            others = sorted(found.probabilities.items(), key=lambda item: -item[1])[1:3]
            shown = ", ".join(f"{name} {value:.4f}" for name, value in others)
            lines.append(f"{found.label:<{width}}  {found.probability:.4f}  {found.path}  (then {shown})")
    return "\n".join(lines)


def _read(path: Path, image: params.Image) -> Pixels | str:
    try:
        return read_image(path, image)
    except TransferlineError as error:
        return str(error)
