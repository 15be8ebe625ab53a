"""The training of a classifier with one label per image."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Array
from transferline.datasets.tables import class_positions
from transferline.params import Loss
from transferline.problems.label_training import LabelTraining
from transferline.problems.logits import ExclusiveClasses, IndependentLabels


class OneLabelTraining(LabelTraining):
    """The part that binary and multiclass problems have in common; see `TrainingOfLabels`."""

    exact_metric = None

    def targets(self, labels: pd.Series, classes: Sequence[str]) -> Array:
        """See `class_positions`."""
        return class_positions(labels, classes)

    def class_counts(self, targets: Array, classes: int) -> Array:
        """See `TrainingOfLabels`."""
        return np.bincount(targets[:, 0], minlength=classes)

    def figures(self, targets: Array, probabilities: Array) -> dict[str, float]:
        """Returns accuracy and log loss."""
        from sklearn.metrics import log_loss

        is_finite = np.isfinite(probabilities).all()
        loss = log_loss(targets[:, 0], probabilities, labels=np.arange(probabilities.shape[1])) if is_finite else np.nan
        return {"accuracy": float((probabilities.argmax(axis=1) == targets[:, 0]).mean()), "log_loss": float(loss)}


class MulticlassTraining(ExclusiveClasses, OneLabelTraining):
    """Multiclass: one logit for each class."""

    def loss(self, loss: Loss) -> Callable[[Any, Any], Any]:
        """See `loss_of_classes`."""
        from transferline.problems.keras_losses import loss_of_classes

        return loss_of_classes(loss)

    def keras_metric(self, name: str, classes: int) -> Any:
        """The accuracy."""
        import keras

        return keras.metrics.SparseCategoricalAccuracy(name)


class BinaryTraining(IndependentLabels, OneLabelTraining):
    """Binary: one logit, for the second class."""

    def probabilities(self, logits: Array) -> Array:
        """Returns the probabilities of both classes, (n, 2)."""
        likely = super().probabilities(logits)
        return np.concatenate([1 - likely, likely], axis=1)

    def loss(self, loss: Loss) -> Callable[[Any, Any], Any]:
        """See `loss_of_labels`."""
        from transferline.problems.keras_losses import loss_of_labels

        return loss_of_labels(loss)

    def keras_metric(self, name: str, classes: int) -> Any:
        """The accuracy."""
        import keras

        return keras.metrics.BinaryAccuracy(name, threshold=0.0)
