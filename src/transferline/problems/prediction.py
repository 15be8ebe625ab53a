"""What `transferline predict` does with the models of each kind of problem. Needs no TensorFlow."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.params import Problem
from transferline.problems.label_output import LabelPrediction
from transferline.problems.predicted_files import PredictedFiles
from transferline.problems.segmentation.prediction import MaskPrediction


class PredictionOfKind(Protocol):
    """How one kind of problem predicts image files, and what it prints and writes."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The files that it can write, by the names of the options of `transferline predict`."""

    def predict(
        self, card: ModelCard, model: LiteModel, paths: Sequence[Path], outputs: Mapping[str, Path], name: str
    ) -> PredictedFiles:
        """Predicts image files.

        Args:
            card: the card of the model.
            model: an exported model.
            paths: the files.
            outputs: what to write, and the path for each.
            name: of the model, for the tables.

        Raises:
            TransferlineError: an output cannot be written.
        """


PREDICTIONS: dict[Problem, PredictionOfKind] = {
    "binary": LabelPrediction(),
    "multiclass": LabelPrediction(),
    "multilabel": LabelPrediction(),
    "segmentation": MaskPrediction(),
}
