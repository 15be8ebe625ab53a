"""The training of a classifier with any number of labels per image."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Array
from transferline.datasets.tables import label_matrix
from transferline.params import Loss
from transferline.problems.label_training import LabelTraining
from transferline.problems.logits import IndependentLabels


def mean_average_precision(targets: Array, scores: Array) -> float:
    """Returns the mean of scikit-learn's average precision over the classes that at least one image has.

    Both arguments are (n, classes). Without any such class it is 0; if a score is not finite, it is NaN.
    """
    from sklearn.metrics import average_precision_score

    if not np.isfinite(scores).all():
        return np.nan
    known = targets.any(axis=0)
    return float(average_precision_score(targets[:, known], scores[:, known], average="macro")) if known.any() else 0.0


class MultilabelTraining(IndependentLabels, LabelTraining):
    """See `TrainingOfLabels`. There is one logit for each label."""

    exact_metric = staticmethod(mean_average_precision)

    def targets(self, labels: pd.Series, classes: Sequence[str]) -> Array:
        """See `label_matrix`."""
        return label_matrix(labels, classes)

    def class_counts(self, targets: Array, classes: int) -> Array:
        """See `TrainingOfLabels`."""
        counts: Array = targets.sum(axis=0)
        return counts

    def loss(self, loss: Loss) -> Callable[[Any, Any], Any]:
        """See `loss_of_labels`."""
        from transferline.problems.keras_losses import loss_of_labels

        return loss_of_labels(loss)

    def keras_metric(self, name: str, classes: int) -> Any:
        """Returns an approximation of the mean average precision, with 200 thresholds."""
        import keras

        return keras.metrics.AUC(curve="PR", name=name, multi_label=True, num_labels=classes, from_logits=True)

    def figures(self, targets: Array, probabilities: Array) -> dict[str, float]:
        """Returns the mean average precision, and the log loss as the mean over pairs of image and class."""
        from sklearn.metrics import log_loss

        is_finite = np.isfinite(probabilities).all()
        loss = log_loss(targets.ravel(), probabilities.ravel(), labels=[0, 1]) if is_finite else np.nan
        return {"mean_average_precision": mean_average_precision(targets, probabilities), "log_loss": float(loss)}
