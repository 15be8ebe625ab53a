"""Predicted labels as text for people, and as tables for programs."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from transferline.datasets.tables import SEPARATOR
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.params.problem_kinds import KINDS
from transferline.problems.label_picture import draw_grid
from transferline.problems.label_predictions import MOST_CLASSES, Prediction, predict_images
from transferline.problems.predicted_files import PredictedFiles, printable_row, writing
from transferline.problems.submission import MaskModel, check_masks, write_submission
from transferline.text import printable

UNUSUAL = 0.99  # the least novelty that is printed


@dataclass(frozen=True)
class LabelPrediction:
    """See `PredictionOfKind`.

    Attributes:
        masks_by: predicts the masks of a submission; None for a submission without masks.
    """

    masks_by: MaskModel | None = None

    outputs: ClassVar = ("csv", "submission", "grid")

    def predict(
        self, card: ModelCard, model: LiteModel, paths: Sequence[Path], outputs: Mapping[str, Path], name: str
    ) -> PredictedFiles:
        """See `PredictionOfKind`."""
        if self.masks_by:
            check_masks(self.masks_by, card)
        found = list(predict_images(card, model, paths))
        table, submission = partial(write_csv, name=name), partial(write_submission, masks_by=self.masks_by)
        for output, write in (("csv", table), ("submission", submission), ("grid", draw_grid)):
            if output in outputs:
                with writing(outputs[output]):
                    write(found, card, outputs[output])
        return PredictedFiles(
            printable(predictions_as_text(found, card)), [printable_row(asdict(one)) for one in found]
        )


def predictions_as_text(predictions: Sequence[Prediction], card: ModelCard) -> str:
    """Returns a line for each readable file: labels with probabilities, path, and the two next probable classes.

    For a file without a label, it is the reason, path, and the most probable of the labels that remain possible.
    """
    readable = [found for found in predictions if not found.error]
    given = [_shown(found, found.labels) or found.reason or "no label" for found in readable]
    width = max(map(len, given), default=0) if not KINDS[card.problem].several_labels else 0
    lines = []
    for found, labels in zip(readable, given, strict=True):
        unusual = novelty_in_words(found) if (found.novelty or 0) >= UNUSUAL else ""
        also = "; ".join(part for part in (_other_labels(found), unusual) if part)
        lines.append(f"{labels:<{width}}  {found.path}" + (f"  ({also})" if also else ""))
    return "\n".join(lines)


def _other_labels(found: Prediction) -> str:
    if found.reason:
        return f"possible: {_shown(found, found.possible_labels)}" if found.possible_labels else ""
    others = [name for name in found.probabilities if name not in found.labels]
    then = sorted(others, key=lambda name: -found.probabilities[name])[:2]
    return f"then {_shown(found, then)}" if then else ""


def novelty_in_words(found: Prediction) -> str:
    """Returns how far an image is from the training images; empty if it is not known."""
    if found.novelty is None:
        return ""
    return f"farther from the training images than {found.novelty:.1%} of the validation images"


def _shown(found: Prediction, names: Iterable[str]) -> str:
    return ", ".join(f"{name} {found.probabilities[name]:.4f}" for name in names)


def write_csv(predictions: Sequence[Prediction], card: ModelCard, path: Path, name: str) -> None:
    """Writes a CSV table.

    The columns are path, label, probability, labels (multilabel only, separated by |), one column for each class
    (unless there are more than `MOST_CLASSES`), reason, possible_labels (separated by |), novelty, error, and model,
    which is `name` in each row.
    """
    classes = card.classes if len(card.classes) <= MOST_CLASSES else ()
    several = KINDS[card.problem].several_labels
    rows: list[list[object]] = [["path", "label", "probability", *["labels"] * several, *classes]]
    rows[0] += ["reason", "possible_labels", "novelty", "error", "model"]
    for found in predictions:
        labels, values = [SEPARATOR.join(found.labels)] * several, map(found.probabilities.get, classes)
        possible = SEPARATOR.join(found.possible_labels or ())
        row = [found.path, found.label, found.probability, *labels, *values]
        rows.append([*row, found.reason, possible, found.novelty, found.error, name])
    _write(rows, path)


def _write(rows: Iterable[Iterable[object]], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([printable(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
