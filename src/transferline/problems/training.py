"""What each kind of problem defines for training: the interface, and the table of the kinds that implement it."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pandas as pd

from transferline.arrays import Array
from transferline.params import Loss, Problem
from transferline.problems.classification.training import BinaryTraining, MulticlassTraining
from transferline.problems.multilabel.training import MultilabelTraining
from transferline.problems.segmentation.training import SegmentationProblemTraining


class TrainingOfKind(Protocol):
    """How models of one kind of problem are trained. The methods that build Keras objects import Keras themselves."""

    @property
    def activation(self) -> str:
        """The name in Keras of the activation that turns logits into probabilities."""

    def loss(self, loss: Loss) -> Callable[[Any, Any], Any]:
        """Returns the loss for `model.compile`, a function of targets and logits."""

    def keras_metric(self, name: str, classes: int) -> Any:
        """Returns the main metric as a Keras metric, which takes targets and logits."""

    @property
    def exact_metric(self) -> Callable[[Array, Array], float] | None:
        """A function that computes the main metric exactly from targets and logits, (n, …).

        None if `keras_metric` is exact itself.
        """

    def held_out(self, model: Any, validation: Any) -> tuple[Array, Array]:
        """Returns logits of validation, (n, outputs), and the targets of these images or pixels.

        Args:
            model: takes the inputs of `validation` and returns logits.
            validation: `Batches` of validation.
        """

    def indicators(self, targets: Array, outputs: int) -> Array:
        """Returns 0 or 1 for each output, (n, outputs) float32, from targets."""

    def cross_entropies(self, logits: Array, indicators: Array) -> tuple[Array, Array]:
        """Returns unweighted losses and their gradients with respect to the logits.

        The losses are (n, 1) or (n, outputs), the gradients (n, outputs).
        """

    def floor(self, model: Any, data: Any, validation: Any, classes: int) -> dict[str, float]:
        """Returns the metrics on validation of models that have learned nothing.

        Args:
            model: the untrained model; it takes the inputs of `data` and returns logits.
            data: `Batches` of training.
            validation: `Batches` of validation.
            classes: the number of classes.

        Returns:
            `majority_…`: metrics of a model that always predicts the class frequencies of training.
            `untrained_…`: metrics of the untrained model.
        """


class TrainingOfLabels(TrainingOfKind, Protocol):
    """How models that predict labels of whole images are trained."""

    def targets(self, labels: pd.Series, classes: Sequence[str]) -> Array:
        """Returns the targets of the loss, (n, …), from the column `label` of a table."""

    def class_counts(self, targets: Array, classes: int) -> Array:
        """Returns how often each class is a label, (classes,)."""

    def probabilities(self, logits: Array) -> Array:
        """Returns the probabilities of all classes, (n, classes), from logits, (n, outputs)."""

    def figures(self, targets: Array, probabilities: Array) -> dict[str, float]:
        """Returns the main metric, and `log_loss` in nats, from targets and probabilities, (n, classes).

        The loss is NaN if a probability is not finite.
        """


OF_LABELS: dict[Problem, TrainingOfLabels] = {
    "binary": BinaryTraining(),
    "multiclass": MulticlassTraining(),
    "multilabel": MultilabelTraining(),
}
TRAININGS: dict[Problem, TrainingOfKind] = {**OF_LABELS, "segmentation": SegmentationProblemTraining()}


def training_of(problem: Problem) -> TrainingOfKind:
    """Returns the training of a kind of problem."""
    return TRAININGS[problem]


def label_training_of(problem: Problem) -> TrainingOfLabels:
    """Returns the training of a kind of problem that gives labels to whole images (not a segmentation)."""
    return OF_LABELS[problem]
