"""The evaluation of a classifier with any number of labels per image."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Array, Flags, Floats, Positions
from transferline.datasets.tables import join_labels, label_matrix, split_labels
from transferline.metrics.calibration import (
    UNSCALED_ERROR,
    calibration_gaps,
    expected_calibration_error,
    without_temperature,
)
from transferline.metrics.intervals import error_with_interval, with_intervals
from transferline.metrics.labelled_images import LabelledImages, metrics_by_class
from transferline.metrics.multilabel import average_precisions
from transferline.metrics.resampling import average_precision
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.params import Evaluate
from transferline.problems.label_decision import decide
from transferline.problems.label_evaluation import PROBABILITY, LabelEvaluation
from transferline.problems.multilabel.multilabel_pictures import draw_multilabel

NONE = "none"


class MultilabelEvaluation(LabelEvaluation):
    """See `EvaluationOfKind`."""

    floor_metrics = ("mean_average_precision",)
    floor_rule = "the class frequencies"
    class_measure = "average precision"

    def flags(self, labels: pd.Series, classes: tuple[str, ...]) -> Flags:
        """See `LabelEvaluation`."""
        return np.array([np.isin(classes, split_labels(label)) for label in labels])

    def names(self, flags: Flags, classes: tuple[str, ...]) -> Any:
        """See `LabelEvaluation`."""
        return join_labels(flags, classes)

    def split(self, label: str) -> list[str]:
        """See `LabelEvaluation`."""
        return split_labels(label)

    def certainty_of_mistakes(self, images: LabelledImages) -> Floats:
        """See `LabelEvaluation`."""
        certainty = np.where(images.predicted, images.probabilities, 1 - images.probabilities)
        return np.where(images.truth != images.predicted, certainty, 0)

    def mistake_caption(self, mistake: Mapping[Any, Any]) -> list[str]:
        """See `LabelEvaluation`."""
        true, predicted, about = (mistake[key] for key in ("label", "predicted", "about"))
        kind = "missing" if about in split_labels(true) else "wrong"
        lines = [f"true: {true or 'no label'}", f"predicted: {predicted or 'no label'}"]
        return [*lines, f"{kind}: {about} {mistake[PROBABILITY + about]:.0%}"]

    def most_frequent(self, frequencies: Floats) -> Flags:
        """Returns the labels that at least half of the images have."""
        common: Flags = frequencies >= 0.5
        return common

    def rows_with(self, predictions: pd.DataFrame, classes: tuple[str, ...], known: tuple[str, ...]) -> Positions:
        """Returns all images: one without a label in `known` is an image without labels."""
        return np.arange(len(predictions))

    def details(self, predictions: pd.DataFrame, classes: tuple[str, ...], params: Evaluate) -> dict[str, Any]:
        """Returns the calibration error and `metrics_by_class` with the average precision and its interval.

        The calibration error is over all pairs of image and class. The average precision is None where no image has
        the class.
        """
        images = self.images(predictions, classes)
        per_class = metrics_by_class(images, params)
        for name, truth, probabilities in zip(classes, images.truth.T, images.probabilities.T, strict=True):
            precision = {"average_precision": partial(average_precision, truth, probabilities)}
            per_class[name] |= with_intervals(precision, images.groups, params, precision)
        gaps = calibration_gaps(images.probabilities, images.truth)
        return {
            **error_with_interval("expected_calibration_error", gaps, images.groups, params),
            "per_class": per_class,
        }

    def card_metrics(self, predictions: pd.DataFrame, card: ModelCard, params: Evaluate) -> dict[str, Any]:
        """Returns the calibration error without the temperature, over all pairs of image and class."""
        images = self.images(predictions, card.classes)
        both = np.stack([1 - images.probabilities, images.probabilities], axis=-1)
        before = without_temperature(both, card.temperature)[..., 1]
        return {UNSCALED_ERROR: expected_calibration_error(before.ravel(), images.truth.ravel())}

    def by_class(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> Floats:
        """See `EvaluationOfKind`."""
        return average_precisions(self.images(predictions, classes))

    def confusion(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
        """Returns a row for each image and class that is true or predicted.

        If the class is only true or only predicted, the other column is `none`.
        """
        rows = predictions[["label", "predicted"]].itertuples(index=False)
        pairs = [
            (name if name in true else NONE, name if name in predicted else NONE)
            for true, predicted in (map(split_labels, row) for row in rows)
            for name in sorted({*true, *predicted})
        ]
        return pd.DataFrame(pairs, columns=["actual", "predicted"])

    def draw(
        self, predictions: pd.DataFrame, model: LiteModel, card: ModelCard, title: str, raw: Path, most: int, out: Path
    ) -> None:
        """See `draw_multilabel`."""
        images = self.images(predictions, card.classes)
        draw_multilabel(images, predictions["path"].tolist(), card, title, raw, most, out)

    def truth(self, rows: pd.DataFrame, card: ModelCard, raw: Path) -> Array:
        """See `label_matrix`."""
        return label_matrix(rows["label"], card.classes)

    def goals(self, truth: Array, probabilities: Floats) -> Array:
        """Returns the opposite of each label."""
        return 1 - truth

    def predicted_truth(self, probabilities: Floats, card: ModelCard) -> Array:
        """See `EvaluationOfKind`."""
        return decide(probabilities, card).astype(np.float32)

    def with_class(self, truth: Array, position: int) -> Array:
        """Returns `truth` with one more label."""
        return np.where(np.arange(truth.shape[1]) == position, 1, truth).astype(truth.dtype)

    def goal_labels(self, untouched: pd.DataFrame, card: ModelCard) -> Array | None:
        """See `EvaluationOfKind`."""
        return join_labels(1 - label_matrix(untouched["label"], card.classes), card.classes).to_numpy()
