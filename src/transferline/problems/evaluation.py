"""What evaluation, promotion and prediction need of a kind of problem, and where it is. Needs no TensorFlow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from transferline.arrays import Array, Floats, Pixels
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.params import Evaluate, Problem, SignificanceTest
from transferline.problems.classification.evaluation import ClassificationEvaluation
from transferline.problems.model_changes import Changes
from transferline.problems.multilabel.evaluation import MultilabelEvaluation
from transferline.problems.segmentation.evaluation import SegmentationEvaluation


class EvaluationOfKind(Protocol):
    """How models of one kind of problem are rated, drawn and compared."""

    @property
    def shown_metrics(self) -> tuple[str, ...]:
        """Which ones the leaderboard shows beside the main metric."""

    @property
    def floor_metrics(self) -> tuple[str, ...]:
        """For which ones the leaderboard shows what a model reaches that learnt nothing."""

    @property
    def floor_rule(self) -> str:
        """What the simplest of such models always predicts."""

    @property
    def class_measure(self) -> str:
        """What `by_class` measures, for people."""

    @property
    def compared(self) -> str:
        """What `compare` compares of each class, for people."""

    @property
    def batch_size(self) -> int:
        """How many images are predicted at once."""

    def rate(
        self,
        probabilities: Floats,
        card: ModelCard,
        rows: pd.DataFrame,
        raw: Path,
        classes: tuple[str, ...] | None = None,
        in_detail: bool = True,
    ) -> pd.DataFrame:
        """The table of predictions.

        Args:
            probabilities: of n images, as `LiteModel.probabilities` gives them.
            card: of the model.
            rows: n rows of the manifest.
            raw: the folder that the paths are relative to.
            classes: of the dataset, which tell what the values of its masks mean; those of the card if left out.
            in_detail: False leaves out what takes most of the time.

        Returns:
            A row for each image: path, split, label, predicted (as `label`), confidence (0 to 1), and what `images`
            takes.
        """

    def images(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> Any:
        """What the metrics take, with a length, from `rate`'s table; rated by the names in `classes`.

        The model may know other classes: one that it does not know has the probability 0, so that its images count as
        wrong; what it predicts of one that is not in `classes` is left out.
        """

    def details(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> dict[str, Any]:
        """What else `metrics.json` holds of a set of images, without an interval; `per_class` is by class."""

    def by_class(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> Floats:
        """`class_measure`, (classes,), 0 to 1; NaN where no image has the class."""

    def confusion(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
        """The columns actual and predicted, names of classes, from which DVC draws a confusion matrix."""

    def draw(
        self, predictions: pd.DataFrame, model: LiteModel, card: ModelCard, title: str, raw: Path, most: int, out: Path
    ) -> None:
        """Draws the predictions into the folder `out`, among them a gallery of at most `most` images."""

    def truth(self, rows: pd.DataFrame, card: ModelCard, raw: Path) -> Array:
        """What rows of the manifest show, as the loss takes it."""

    def goals(self, truth: Array, probabilities: Floats) -> Array:
        """What a targeted attack aims at, as `truth`, from the probabilities of the untouched images."""

    def goal_labels(self, untouched: pd.DataFrame, card: ModelCard) -> Array | None:
        """What each untouched image is predicted as, (n,), once the attack reaches its goal; None where each pixel has
        a goal."""

    def shown(self, images: Pixels, probabilities: Floats, card: ModelCard) -> tuple[Pixels, list[str]]:
        """Images as a picture shows them, and what is predicted for each, in a few words."""

    def compare(
        self,
        old: pd.DataFrame,
        new: pd.DataFrame,
        classes: tuple[str, ...],
        test: SignificanceTest,
        params: Evaluate,
    ) -> Changes:
        """What changes between two models' predictions for the same images."""

    def explain_changes(self, most: int) -> tuple[str, str]:
        """What the pictures of at most `most` regressions and improvements show."""

    def change_caption(self, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> list[str]:
        """Lines below an image of these, from the row of each model's predictions."""


EVALUATIONS: dict[Problem, EvaluationOfKind] = {
    "binary": ClassificationEvaluation(),
    "multiclass": ClassificationEvaluation(),
    "multilabel": MultilabelEvaluation(),
    "segmentation": SegmentationEvaluation(),
}


def evaluation_of(problem: Problem) -> EvaluationOfKind:
    """The evaluation of a kind of problem."""
    return EVALUATIONS[problem]
