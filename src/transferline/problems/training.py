"""What training needs of a kind of problem, and where it is."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pandas as pd

from transferline.arrays import Array
from transferline.params import Loss, Problem
from transferline.problems.classification.training import BinaryTraining, MulticlassTraining
from transferline.problems.multilabel.training import MultilabelTraining
from transferline.problems.segmentation.training import SegmentationProblemTraining


class TrainingOfKind(Protocol):
    """How models of one kind of problem are trained. Keras is imported where its objects are built, not before."""

    @property
    def activation(self) -> str:
        """What makes probabilities of logits, by Keras's name."""

    def loss(self, loss: Loss) -> Callable[[Any, Any], Any]:
        """The loss for `model.compile`, a function of targets and logits."""

    def keras_metric(self, name: str, classes: int) -> Any:
        """The main metric during training, from targets and logits."""

    @property
    def exact_metric(self) -> Callable[[Array, Array], float] | None:
        """The main metric from targets and logits, (n, …), where `keras_metric` only approximates it."""

    def floor(self, model: Any, data: Any, validation: Any, classes: int) -> dict[str, float]:
        """What a model reaches on validation that learnt nothing.

        Args:
            model: the untrained model, from what `data` gives to logits.
            data: `Batches` of training.
            validation: those of validation.
            classes: their number.

        Returns:
            Metrics of always predicting by the classes' frequencies in training (`majority_…`), and of the untrained
            model (`untrained_…`).
        """


class TrainingOfLabels(TrainingOfKind, Protocol):
    """The same where images have labels as a whole."""

    def targets(self, labels: pd.Series, classes: Sequence[str]) -> Array:
        """What the loss takes, (n, …), from the column `label` of a table."""

    def class_counts(self, targets: Array, classes: int) -> Array:
        """How often each class is a label, (classes,)."""

    def probabilities(self, logits: Array) -> Array:
        """Of all classes, (n, classes), from logits (n, outputs)."""

    def figures(self, targets: Array, probabilities: Array) -> dict[str, float]:
        """The main metric, and `log_loss` in nats, from targets and (n, classes)."""

    def indicators(self, targets: Array, outputs: int) -> Array:
        """0 or 1 for each output, (n, outputs) float32."""

    def cross_entropies(self, logits: Array, indicators: Array) -> tuple[Array, Array]:
        """Unweighted losses, (n, 1) or (n, outputs), and their slopes by the logits, (n, outputs)."""


OF_LABELS: dict[Problem, TrainingOfLabels] = {
    "binary": BinaryTraining(),
    "multiclass": MulticlassTraining(),
    "multilabel": MultilabelTraining(),
}
TRAININGS: dict[Problem, TrainingOfKind] = {**OF_LABELS, "segmentation": SegmentationProblemTraining()}


def training_of(problem: Problem) -> TrainingOfKind:
    """The training of a kind of problem."""
    return TRAININGS[problem]


def label_training_of(problem: Problem) -> TrainingOfLabels:
    """The same of a kind in which images have labels as a whole."""
    return OF_LABELS[problem]
