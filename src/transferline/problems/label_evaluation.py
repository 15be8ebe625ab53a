"""The evaluation of models that predict labels of whole images, as far as it is the same for all of them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Array, Flags, Floats, Pixels, Positions
from transferline.metrics.labelled_images import LabelledImages
from transferline.metrics.significance import share_difference
from transferline.models.exported import ModelCard
from transferline.params import Evaluate, SignificanceTest
from transferline.problems.label_decision import decide
from transferline.problems.model_changes import Changes, ClassComparison

PROBABILITY = "probability_"


class LabelEvaluation(ABC):
    """See `EvaluationOfKind`. In its tables of predictions `confidence` is the probability of the most probable class,
    and `probability_<class>` that of each class of the card."""

    batch_size = 32
    shown_metrics = ("log_loss", "expected_calibration_error")
    compared = "recall"

    @abstractmethod
    def flags(self, labels: pd.Series, classes: tuple[str, ...]) -> Flags:
        """Which of `classes` a column `label` or `predicted` names, (n, classes); other names are left out."""

    @abstractmethod
    def names(self, flags: Flags, classes: tuple[str, ...]) -> Any:
        """The inverse of `flags`: a column."""

    def rate(
        self,
        probabilities: Floats,
        card: ModelCard,
        rows: pd.DataFrame,
        raw: Path,
        classes: tuple[str, ...] | None = None,
        in_detail: bool = True,
    ) -> pd.DataFrame:
        """See `EvaluationOfKind`."""
        found = rows[["path", "split", "label"]].reset_index(drop=True)
        found["predicted"] = self.names(decide(probabilities, card), card.classes)
        found["confidence"] = probabilities.max(axis=1)
        named = pd.DataFrame(probabilities, columns=[PROBABILITY + name for name in card.classes])
        return pd.concat([found, named], axis=1)

    def images(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> LabelledImages:
        """See `EvaluationOfKind`."""
        truth, predicted = (self.flags(predictions[name], classes) for name in ("label", "predicted"))
        empty = pd.Series(0.0, index=predictions.index)
        columns = [predictions.get(PROBABILITY + name, empty).to_numpy(float) for name in classes]
        return LabelledImages(truth, predicted, np.stack(columns, axis=1), classes)

    def shown(self, images: Pixels, probabilities: Floats, card: ModelCard) -> tuple[Pixels, list[str]]:
        """See `EvaluationOfKind`."""
        labels = self.names(decide(probabilities, card), card.classes)
        pairs = zip(labels, probabilities.max(axis=1), strict=True)
        return images, [f"{name or 'no label'} {share:.1%}" for name, share in pairs]

    def compare(
        self,
        old: pd.DataFrame,
        new: pd.DataFrame,
        classes: tuple[str, ...],
        test: SignificanceTest,
        params: Evaluate,
    ) -> Changes:
        """The recall of each class, the images that only `old` gets right, the most confident mistake first, and those
        that only `new` gets right, the most confident answer first."""
        before, after = (self.images(predictions, classes) for predictions in (old, new))
        old_right, new_right = ((one.truth == one.predicted).all(axis=1) for one in (before, after))
        confidence = new["confidence"].to_numpy(float)
        return Changes(
            tuple(_recall_changes(before, after, classes, test.level)),
            _most_confident(old_right & ~new_right, confidence),
            _most_confident(new_right & ~old_right, confidence),
        )

    def explain_changes(self, most: int) -> tuple[str, str]:
        """See `EvaluationOfKind`."""
        order = f"at most the {most} with the highest confidence of the challenger are shown."
        return (
            f"The champion got these images right, the challenger gets them wrong; {order}",
            f"The champion got these images wrong, the challenger gets them right; {order}",
        )

    def change_caption(self, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> list[str]:
        """See `EvaluationOfKind`."""
        both = (("new:", new), ("old:", old))
        return [f"is {new['label']}", *(f"{age} {one['predicted']} {one['confidence']:.0%}" for age, one in both)]


def _recall_changes(
    old: LabelledImages, new: LabelledImages, classes: tuple[str, ...], level: float
) -> list[ClassComparison]:
    changes = []
    for column, name in enumerate(classes):
        has = old.truth[:, column]
        if has.any():
            before, after = old.predicted[has, column], new.predicted[has, column]
            low, high = share_difference(before, after, level)
            changes.append(ClassComparison(name, int(has.sum()), float(before.mean()), float(after.mean()), low, high))
    return changes


def _most_confident(flags: Flags, confidence: Array) -> Positions:
    return np.flatnonzero(flags)[np.argsort(-confidence[flags], kind="stable")]
