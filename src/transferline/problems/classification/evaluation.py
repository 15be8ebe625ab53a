"""The evaluation of a classifier with one label per image."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Array, Flags, Floats, Positions
from transferline.datasets.images import read_batch
from transferline.datasets.tables import class_positions
from transferline.metrics.calibration import (
    UNSCALED_ERROR,
    calibration_gaps,
    expected_calibration_error,
    without_temperature,
)
from transferline.metrics.intervals import error_with_interval
from transferline.metrics.labelled_images import LabelledImages, metrics_by_class
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.params import Evaluate
from transferline.problems.attack_goals import least_likely_wrong, most_likely
from transferline.problems.classification.classification_pictures import (
    plot_confusion,
    plot_gallery,
    plot_reliability,
)
from transferline.problems.classification.rejection_metrics import rejection_metrics
from transferline.problems.label_evaluation import PROBABILITY, LabelEvaluation


class ClassificationEvaluation(LabelEvaluation):
    """See `EvaluationOfKind`."""

    floor_metrics = ("accuracy",)
    floor_rule = "the most frequent class"
    class_measure = "recall"

    def flags(self, labels: pd.Series, classes: tuple[str, ...]) -> Flags:
        """See `LabelEvaluation`."""
        named: Flags = labels.to_numpy(str)[:, None] == np.array(classes)
        return named

    def names(self, flags: Flags, classes: tuple[str, ...]) -> Any:
        """See `LabelEvaluation`."""
        return np.array(classes)[flags.argmax(axis=1)]

    def split(self, label: str) -> list[str]:
        """See `LabelEvaluation`."""
        return [label]

    def certainty_of_mistakes(self, images: LabelledImages) -> Floats:
        """See `LabelEvaluation`."""
        return np.where(images.predicted & ~images.truth, images.probabilities, 0)

    def mistake_caption(self, mistake: Mapping[Any, Any]) -> list[str]:
        """See `LabelEvaluation`."""
        return [f"true: {mistake['label']}", f"predicted: {mistake['predicted']} {mistake['certainty']:.0%}"]

    def most_frequent(self, frequencies: Floats) -> Flags:
        """See `LabelEvaluation`."""
        first: Flags = np.arange(len(frequencies)) == frequencies.argmax()
        return first

    def rows_with(self, predictions: pd.DataFrame, classes: tuple[str, ...], known: tuple[str, ...]) -> Positions:
        """Returns the images with a label in `known`."""
        return np.flatnonzero(predictions["label"].isin(known))

    def details(self, predictions: pd.DataFrame, classes: tuple[str, ...], params: Evaluate) -> dict[str, Any]:
        """Returns the calibration error of the predicted class, also if it is not in `classes`, and
        `metrics_by_class`."""
        images, (confidence, correct) = self.images(predictions, classes), _confidence(predictions)
        gaps = calibration_gaps(confidence[:, None], correct[:, None])
        return {
            **error_with_interval("expected_calibration_error", gaps, images.groups, params),
            "per_class": metrics_by_class(images, params),
        }

    def card_metrics(self, predictions: pd.DataFrame, card: ModelCard, params: Evaluate) -> dict[str, Any]:
        """Returns the calibration error without the temperature, and `rejection_metrics`."""
        probabilities = predictions[[PROBABILITY + name for name in card.classes]].to_numpy(float)
        before = without_temperature(probabilities, card.temperature).max(axis=1)
        correct = _confidence(predictions)[1]
        found: dict[str, Any] = {UNSCALED_ERROR: expected_calibration_error(before, correct)}
        return found | (rejection_metrics(predictions, card, card.rejection, params) if card.rejection else {})

    def by_class(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> Floats:
        """See `EvaluationOfKind`."""
        images = self.images(predictions, classes)
        support = images.truth.sum(axis=0)
        return np.where(support, (images.truth & images.predicted).sum(axis=0) / np.maximum(support, 1), np.nan)

    def confusion(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
        """Returns a row for each image."""
        return predictions[["label", "predicted"]].rename(columns={"label": "actual"})

    def draw(
        self, predictions: pd.DataFrame, model: LiteModel, card: ModelCard, title: str, raw: Path, most: int, out: Path
    ) -> None:
        """Draws `confusion.png`, `reliability.png`, and `gallery.png`, which shows the worst mistakes."""
        from sklearn.metrics import confusion_matrix

        matrix = confusion_matrix(predictions["label"], predictions["predicted"], labels=list(card.classes))
        plot_confusion(matrix, card.classes, title, out / "confusion.png")
        plot_reliability(*_confidence(predictions), title, out / "reliability.png")
        mistakes = self.mistakes(predictions, card.classes).head(most)
        images = read_batch(raw, mistakes["path"].tolist(), card.image)
        plot_gallery(images, mistakes, title, out / "gallery.png")

    def truth(self, rows: pd.DataFrame, card: ModelCard, raw: Path) -> Array:
        """See `class_positions`."""
        return class_positions(rows["label"], card.classes)

    def goals(self, truth: Array, probabilities: Floats) -> Array:
        """See `least_likely_wrong`."""
        return least_likely_wrong(truth, probabilities)

    def predicted_truth(self, probabilities: Floats, card: ModelCard) -> Array:
        """See `EvaluationOfKind`."""
        return most_likely(probabilities)

    def with_class(self, truth: Array, position: int) -> Array:
        """See `EvaluationOfKind`."""
        return np.full_like(truth, position)

    def goal_labels(self, untouched: pd.DataFrame, card: ModelCard) -> Array | None:
        """See `EvaluationOfKind`."""
        truth, images = class_positions(untouched["label"], card.classes), self.images(untouched, card.classes)
        return np.array(card.classes)[self.goals(truth, images.probabilities)[:, 0]]


def _confidence(predictions: pd.DataFrame) -> tuple[Floats, Flags]:
    """Returns the probability of each predicted class, and whether that class is right."""
    correct = (predictions["label"] == predictions["predicted"]).to_numpy(bool)
    return predictions["confidence"].to_numpy(float), correct
