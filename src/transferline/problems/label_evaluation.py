"""The common part of the evaluation of models that predict labels of whole images."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Array, Flags, Floats, Pixels, Positions
from transferline.metrics.labelled_images import LabelledImages
from transferline.metrics.resampling import group_numbers
from transferline.metrics.significance import share_difference_of_groups
from transferline.models.exported import ModelCard
from transferline.params import SignificanceTest
from transferline.problems.label_decision import decide
from transferline.problems.model_changes import Changes, ClassComparison

PROBABILITY = "probability_"


class LabelEvaluation(ABC):
    """See `EvaluationOfKind`.

    In its tables of predictions `confidence` is the probability of the most probable class. `probability_<class>` is
    the probability of each class of the card.
    """

    batch_size = 32
    shown_metrics = ("log_loss", "expected_calibration_error")
    compared = "recall"

    @abstractmethod
    def flags(self, labels: pd.Series, classes: tuple[str, ...]) -> Flags:
        """Returns which of `classes` a column `label` or `predicted` names, (n, classes); other names are ignored."""

    @abstractmethod
    def most_frequent(self, frequencies: Floats) -> Flags:
        """Returns the labels that a model predicts for each image if it knows only how frequent each is, (classes,)."""

    @abstractmethod
    def names(self, flags: Flags, classes: tuple[str, ...]) -> Any:
        """Returns a column of labels from `flags`: the inverse of that method."""

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
        found = rows[["path", "split", "label", "group"]].reset_index(drop=True)
        found["predicted"] = self.names(decide(probabilities, card), card.classes)
        found["confidence"] = probabilities.max(axis=1)
        named = pd.DataFrame(probabilities, columns=[PROBABILITY + name for name in card.classes])
        return pd.concat([found, named], axis=1)

    def images(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> LabelledImages:
        """See `EvaluationOfKind`."""
        truth, predicted = (self.flags(predictions[name], classes) for name in ("label", "predicted"))
        empty = pd.Series(0.0, index=predictions.index)
        columns = [predictions.get(PROBABILITY + name, empty).to_numpy(float) for name in classes]
        return LabelledImages(truth, predicted, np.stack(columns, axis=1), classes, group_numbers(predictions))

    def images_of(self, predictions: pd.DataFrame, classes: tuple[str, ...], known: tuple[str, ...]) -> LabelledImages:
        """See `EvaluationOfKind`."""
        return self.images(predictions, known)

    def floor_images(self, images: LabelledImages) -> LabelledImages:
        """Returns images with the frequency of each class as its probability. See `EvaluationOfKind`."""
        frequencies = images.truth.mean(axis=0)
        predicted, probabilities = (
            np.tile(row, (len(images), 1)) for row in (self.most_frequent(frequencies), frequencies)
        )
        return replace(images, predicted=predicted, probabilities=probabilities)

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
        seed: int,
    ) -> Changes:
        """Compares the recall of each class, and finds the images that only one of the models predicts correctly.

        Regressions are images that only `old` predicts correctly, improvements those that only `new` does. The
        images with the highest confidence of `new` come first.
        """
        before, after = (self.images(predictions, classes) for predictions in (old, new))
        old_right, new_right = ((one.truth == one.predicted).all(axis=1) for one in (before, after))
        confidence = new["confidence"].to_numpy(float)
        return Changes(
            tuple(_recall_changes(before, after, test.level)),
            _most_confident(old_right & ~new_right, confidence),
            _most_confident(new_right & ~old_right, confidence),
        )

    def explain_changes(self, most: int) -> tuple[str, str]:
        """See `EvaluationOfKind`."""
        order = f"At most {most} are shown, those with the highest confidence of the challenger."
        return (
            f"The champion predicts these images correctly, the challenger does not. {order}",
            f"The challenger predicts these images correctly, the champion does not. {order}",
        )

    def change_caption(self, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> list[str]:
        """See `EvaluationOfKind`."""
        both = (("new:", new), ("old:", old))
        return [f"is {new['label']}", *(f"{age} {one['predicted']} {one['confidence']:.0%}" for age, one in both)]


def _recall_changes(old: LabelledImages, new: LabelledImages, level: float) -> list[ClassComparison]:
    present, changes = np.flatnonzero(old.truth.any(axis=0)), []
    for column in present:
        has = old.truth[:, column]
        before, after, group = old.predicted[has, column], new.predicted[has, column], old.groups[has]
        (low, high), (surely, _) = (
            share_difference_of_groups(before, after, group, part) for part in (level, level / len(present))
        )
        size = int(has.sum()), len(np.unique(group))
        shares = float(before.mean()), float(after.mean())
        changes.append(ClassComparison(old.classes[column], *size, *shares, low, high, surely))
    return changes


def _most_confident(flags: Flags, confidence: Array) -> Positions:
    return np.flatnonzero(flags)[np.argsort(-confidence[flags], kind="stable")]


def most_confident_mistakes(predictions: pd.DataFrame, most: int) -> pd.DataFrame:
    """Returns the `most` wrong predictions with the highest confidence, the highest first."""
    wrong = predictions[predictions["label"] != predictions["predicted"]]
    return wrong.sort_values(["confidence", "path"], ascending=[False, True]).head(most)
