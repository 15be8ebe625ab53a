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
    """How image files are predicted, and what is printed and written."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Which files it writes, by the name of the option of `transferline predict`."""

    def predict(
        self, card: ModelCard, model: LiteModel, paths: Sequence[Path], outputs: Mapping[str, Path]
    ) -> PredictedFiles:
        """Predicts image files.

        Args:
            card: of the model.
            model: an exported model.
            paths: the files.
            outputs: what to write, and where to.

        Raises:
            TransferlineError: something cannot be written.
        """


PREDICTIONS: dict[Problem, PredictionOfKind] = {
    "binary": LabelPrediction(),
    "multiclass": LabelPrediction(),
    "multilabel": LabelPrediction(),
    "segmentation": MaskPrediction(),
}
