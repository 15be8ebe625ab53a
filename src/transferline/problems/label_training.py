"""The common part of the training of models that predict labels of whole images."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from transferline.arrays import Array


class LabelTraining(ABC):
    """See `TrainingOfLabels`."""

    @abstractmethod
    def probabilities(self, logits: Array) -> Array:
        """See `TrainingOfLabels`."""

    @abstractmethod
    def figures(self, targets: Array, probabilities: Array) -> dict[str, float]:
        """See `TrainingOfLabels`."""

    @abstractmethod
    def class_counts(self, targets: Array, classes: int) -> Array:
        """See `TrainingOfLabels`."""

    def held_out(self, model: Any, validation: Any) -> tuple[Array, Array]:
        """See `TrainingOfKind`."""
        return validation.predict(model), validation.targets

    def floor(self, model: Any, data: Any, validation: Any, classes: int) -> dict[str, float]:
        """Returns the main metric and log loss; see `TrainingOfKind`."""
        found = {
            "majority": self.majority_figures(data.targets, validation.targets, classes),
            "untrained": self.figures(validation.targets, self.probabilities(validation.predict(model))),
        }
        return {f"{of}_{name}": value for of, figures in found.items() for name, value in figures.items()}

    def majority_figures(self, train: Array, validation: Array, classes: int) -> dict[str, float]:
        """Returns the metrics on validation of a model that always predicts the class frequencies of train.

        Both arguments are targets.
        """
        frequencies = self.class_counts(train, classes) / len(train)
        return self.figures(validation, np.tile(frequencies, (len(validation), 1)))
