"""What each kind of problem defines for evaluation and promotion: the interface, and the table of the kinds.

It needs no TensorFlow.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from transferline.arrays import Array, Floats, Pixels, Positions
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.params import Evaluate, Problem, SignificanceTest
from transferline.problems.classification.evaluation import ClassificationEvaluation
from transferline.problems.label_evaluation import LabelEvaluation
from transferline.problems.model_changes import Changes
from transferline.problems.multilabel.evaluation import MultilabelEvaluation
from transferline.problems.segmentation.evaluation import SegmentationEvaluation


class EvaluationOfKind(Protocol):
    """How predictions for one kind of problem are rated, drawn and compared."""

    @property
    def shown_metrics(self) -> tuple[str, ...]:
        """The metrics that the leaderboard shows beside the main metric."""

    @property
    def floor_metrics(self) -> tuple[str, ...]:
        """The metrics for which the leaderboard shows a floor: the value of a model that has learned nothing."""

    @property
    def floor_rule(self) -> str:
        """A phrase for people: what the simplest model that has learned nothing always predicts."""

    @property
    def class_measure(self) -> str:
        """The name of the metric that `by_class` returns, for people."""

    @property
    def compared(self) -> str:
        """The name of the metric by which `compare` compares each class, for people."""

    @property
    def batch_size(self) -> int:
        """The number of images that are predicted at once."""

    def rate(
        self,
        probabilities: Floats,
        card: ModelCard,
        rows: pd.DataFrame,
        raw: Path,
        classes: tuple[str, ...] | None = None,
        in_detail: bool = True,
    ) -> pd.DataFrame:
        """Returns the table of predictions.

        Args:
            probabilities: of n images, as `LiteModel.probabilities` returns them.
            card: the card of the model.
            rows: n rows of the manifest.
            raw: the folder that the paths are relative to.
            classes: the dataset's classes, in the order of their values in masks. None means the classes of the card.
            in_detail: False leaves out the metrics that take most of the time.

        Returns:
            A row for each image: path, split, label, group, predicted (in the form of `label`), confidence (0 to 1),
            and the columns that `images` reads.
        """

    def images(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> Any:
        """Returns the input of the metrics from the table that `rate` returns. `len` of it is the number of images.

        The classes of the model may differ from `classes`. A class that the model does not know has the probability 0,
        so its images count as wrong. Predictions of a class that is not in `classes` are ignored.
        """

    def rows_with(self, predictions: pd.DataFrame, classes: tuple[str, ...], known: tuple[str, ...]) -> Positions:
        """Returns the positions of the images that can be rated with only the classes `known` of `classes`."""

    def images_of(self, predictions: pd.DataFrame, classes: tuple[str, ...], known: tuple[str, ...]) -> Any:
        """Returns the input of the metrics with only the classes `known`; a prediction of another class is wrong."""

    def floor_images(self, images: Any) -> Any:
        """Returns the same images with the predictions of a model that has learned nothing; see `floor_rule`."""

    def details(self, predictions: pd.DataFrame, classes: tuple[str, ...], params: Evaluate) -> dict[str, Any]:
        """Returns the other values of `metrics.json`; `per_class` contains those of each class."""

    def card_metrics(self, predictions: pd.DataFrame, card: ModelCard, params: Evaluate) -> dict[str, Any]:
        """Returns the metrics that depend on the card: calibration without its temperature, and those of its rejection.

        They are not in `metric_table`, so `select.metric` cannot name them.
        """

    def by_class(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> Floats:
        """Returns the metric that `class_measure` names, (classes,), 0 to 1; NaN where no image has the class."""

    def confusion(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
        """Returns the table from which DVC draws a confusion matrix: columns actual and predicted, names of classes."""

    def draw(
        self, predictions: pd.DataFrame, model: LiteModel, card: ModelCard, title: str, raw: Path, most: int, out: Path
    ) -> None:
        """Draws pictures of the predictions into the folder `out`; the gallery holds at most `most` images."""

    def truth(self, rows: pd.DataFrame, card: ModelCard, raw: Path) -> Array:
        """Returns the true classes or masks of rows of the manifest, in the form that the loss takes."""

    def goals(self, truth: Array, probabilities: Floats) -> Array:
        """Returns the goals of a targeted attack: the labels or masks that it tries to make the model predict.

        `probabilities` are those of the images before the attack. The result has the form of `truth`.
        """

    def predicted_truth(self, probabilities: Floats, card: ModelCard) -> Array:
        """Returns what the model predicts for images, in the form of `truth`."""

    def with_class(self, truth: Array, position: int) -> Array:
        """Returns `truth` with a class as the goal: instead of the other class, or added to the other labels."""

    def goal_labels(self, untouched: pd.DataFrame, card: ModelCard) -> Array | None:
        """Returns the label that a model predicts for each image if a targeted attack succeeds, (n,).

        Returns None in a segmentation, where each pixel has a goal. `untouched` are the predictions before the attack.
        """

    def shown(self, images: Pixels, probabilities: Floats, card: ModelCard) -> tuple[Pixels, list[str]]:
        """Returns the images as they appear in a picture, and for each a caption with its prediction."""

    def compare(
        self,
        old: pd.DataFrame,
        new: pd.DataFrame,
        classes: tuple[str, ...],
        test: SignificanceTest,
        seed: int,
    ) -> Changes:
        """Returns what changes between two models' predictions for the same images. `seed` fixes random numbers."""

    def explain_changes(self, most: int) -> tuple[str, str]:
        """Returns two captions: for the picture of at most `most` regressions, and for that of improvements."""

    def change_caption(self, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> list[str]:
        """Returns the lines below an image in these two pictures, from its row in the predictions of each model."""


OF_LABELS: dict[Problem, ClassificationEvaluation | MultilabelEvaluation] = {
    "binary": ClassificationEvaluation(),
    "multiclass": ClassificationEvaluation(),
    "multilabel": MultilabelEvaluation(),
}
EVALUATIONS: dict[Problem, EvaluationOfKind] = {**OF_LABELS, "segmentation": SegmentationEvaluation()}


def evaluation_of(problem: Problem) -> EvaluationOfKind:
    """Returns the evaluation of a kind of problem."""
    return EVALUATIONS[problem]


def label_evaluation_of(problem: Problem) -> LabelEvaluation:
    """Returns the evaluation of a kind of problem that gives labels to whole images (not a segmentation)."""
    return OF_LABELS[problem]
