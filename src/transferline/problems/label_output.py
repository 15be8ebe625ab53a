"""Predicted labels as text for people, and as tables for programs."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from transferline.datasets.tables import SEPARATOR
from transferline.errors import TransferlineError
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.params.problem_kinds import KINDS
from transferline.problems.label_picture import draw_grid
from transferline.problems.label_predictions import MOST_CLASSES, Prediction, predict_images
from transferline.problems.predicted_files import PredictedFiles, printable_row, writing
from transferline.run_length_encoding import encode
from transferline.text import first_of, printable

NAMED = 10  # files in a message


class LabelPrediction:
    """See `PredictionOfKind`."""

    outputs = ("csv", "submission", "grid")

    def predict(
        self, card: ModelCard, model: LiteModel, paths: Sequence[Path], outputs: Mapping[str, Path]
    ) -> PredictedFiles:
        """See `PredictionOfKind`."""
        found = list(predict_images(card, model, paths))
        for name, write in (("csv", write_csv), ("submission", write_submission), ("grid", draw_grid)):
            if name in outputs:
                with writing(outputs[name]):
                    write(found, card, outputs[name])
        return PredictedFiles(
            printable(predictions_as_text(found, card)), [printable_row(asdict(one)) for one in found]
        )


def predictions_as_text(predictions: Sequence[Prediction], card: ModelCard) -> str:
    """Returns a line for each readable file: labels with probabilities, path, and the two next probable classes."""
    readable = [found for found in predictions if not found.error]
    given = [_shown(found, found.labels) or "no label" for found in readable]
    width = max(map(len, given), default=0) if not KINDS[card.problem].several_labels else 0
    lines = []
    for found, labels in zip(readable, given, strict=True):
        others = [name for name in found.probabilities if name not in found.labels]
        then = sorted(others, key=lambda name: -found.probabilities[name])[:2]
        lines.append(f"{labels:<{width}}  {found.path}" + (f"  (then {_shown(found, then)})" if then else ""))
    return "\n".join(lines)


def _shown(found: Prediction, names: Iterable[str]) -> str:
    return ", ".join(f"{name} {found.probabilities[name]:.4f}" for name in names)


def write_csv(predictions: Sequence[Prediction], card: ModelCard, path: Path) -> None:
    """Writes a CSV table.

    The columns are path, label, probability, labels (multilabel only, separated by |), one column for each class
    (unless there are more than `MOST_CLASSES`), and error.
    """
    classes = card.classes if len(card.classes) <= MOST_CLASSES else ()
    several = KINDS[card.problem].several_labels
    rows: list[list[object]] = [["path", "label", "probability", *["labels"] * several, *classes, "error"]]
    for found in predictions:
        labels, values = [SEPARATOR.join(found.labels)] * several, map(found.probabilities.get, classes)
        rows.append([found.path, found.label, found.probability, *labels, *values, found.error])
    _write(rows, path)


def write_submission(predictions: Sequence[Prediction], card: ModelCard, path: Path) -> None:
    """Writes a table in Kaggle's format, with a row for each image.

    `Id` is the file's name without suffix. `Predicted` holds a 0 or 1 for each class, in the card's order, run-length
    encoded (see `run_length_encoding.py`).

    Raises:
        TransferlineError: two files have the same name, or one could not be read.
    """
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
    rows = [[Path(found.path).stem, encode([name in found.labels for name in card.classes])] for found in predictions]
    _write([["Id", "Predicted"], *rows], path)


def _write(rows: Iterable[Iterable[object]], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([printable(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
