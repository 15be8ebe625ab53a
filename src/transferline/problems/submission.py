"""Tables in Kaggle's format, with run-length encoded labels and masks."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from transferline.atomic_files import completed
from transferline.errors import TransferlineError
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.problems.label_predictions import Prediction
from transferline.problems.segmentation.mask_files import predict_mask
from transferline.run_length_encoding import encode
from transferline.text import first_of, printable

NAMED = 10  # files or classes in a message
CLASSIFICATION, SEGMENTATION = "_classification", "_segmentation"


class MaskModel(NamedTuple):
    """A segmentation model, and its name for messages."""

    card: ModelCard
    model: LiteModel
    name: str


def write_submission(
    predictions: Sequence[Prediction], card: ModelCard, path: Path, masks_by: MaskModel | None = None
) -> None:
    """Writes a table with the columns `Id` and `Predicted`; all arrays are run-length encoded by `encode`.

    Without `masks_by`, each image has one row. `Id` is the file's name without suffix, `Predicted` a 0 or 1 for each
    class, in the card's order. With `masks_by`, each image has two rows. `<name>_classification` holds that vector.
    `<name>_segmentation` holds the masks of the same classes, an array (classes, height, width) of 0 and 1 in the size
    of the upright image.

    Raises:
        TransferlineError: two files have the same name, or one could not be read.
    """
    _check_rows(predictions, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with completed(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["Id", "Predicted"])
        stacks = _stacks(predictions, card, masks_by) if masks_by else None
        for found in predictions:
            name = printable(Path(found.path).stem)
            vector = encode([label in found.labels for label in card.classes])
            table.writerow([name + CLASSIFICATION if stacks else name, vector])
            if stacks:
                table.writerow([name + SEGMENTATION, next(stacks)])


def _check_rows(predictions: Sequence[Prediction], path: Path) -> None:
    names = Counter(Path(found.path).stem for found in predictions)
    twice = [name for name, count in names.items() if count > 1]
    unread = [found.path for found in predictions if found.error]
    if twice:
        raise TransferlineError(
            f"{path}: each row needs a unique name, but several files are called {first_of(twice, NAMED)}; rename them"
        )
    if unread:
        raise TransferlineError(
            f"{path}: each row needs a prediction, but these files cannot be read as images: "
            f"{first_of(unread, NAMED)}; repair them or leave them out"
        )


def check_masks(masks_by: MaskModel, card: ModelCard) -> None:
    """Checks that a model predicts masks of all classes of `card`.

    Raises:
        TransferlineError: it does not.
    """
    if masks_by.card.problem != "segmentation":
        raise TransferlineError(
            f"--masks-by {masks_by.name}: {masks_by.card.candidate} is a {masks_by.card.problem} model; name a "
            "segmentation model"
        )
    if missing := [name for name in card.classes if name not in masks_by.card.classes]:
        raise TransferlineError(
            f"--masks-by {masks_by.name}: its classes {', '.join(masks_by.card.classes)} lack "
            f"{first_of(missing, NAMED)}, which {card.candidate} predicts; name a model with all of its classes"
        )


def _stacks(predictions: Sequence[Prediction], card: ModelCard, masks_by: MaskModel) -> Iterator[str]:
    """Yields the encoded masks of each image. A class of the mask model that `card` lacks is left out."""
    numbers = np.array([masks_by.card.classes.index(name) for name in card.classes])
    for found in predictions:
        _, mask = predict_mask(masks_by.card, masks_by.model, Path(found.path))
        yield encode(mask == numbers[:, None, None])
