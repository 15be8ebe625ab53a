"""The common part of the evaluation of models that predict labels of whole images."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Flags, Floats, Pixels, Positions
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
    the probability of each class of the card. How certain a model is of a mistake is the probability of the label that
    it predicts wrongly; for several labels also 1 minus the probability of a label that is missing.
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

    @abstractmethod
    def split(self, label: str) -> list[str]:
        """Returns the names in a `label` or `predicted`."""

    @abstractmethod
    def certainty_of_mistakes(self, images: LabelledImages) -> Floats:
        """Returns how certain the model is of each wrong label, (n, classes), 0 to 1; 0 for a right one."""

    @abstractmethod
    def mistake_caption(self, mistake: Mapping[Any, Any]) -> list[str]:
        """Returns the lines below the image of a mistake, from its row in `mistakes`."""

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
        captions = []
        for row, chosen in zip(probabilities, decide(probabilities, card), strict=True):
            labels = [f"{card.classes[place]} {row[place]:.1%}" for place in np.flatnonzero(chosen)]
            captions.append(", ".join(labels) or "no label")
        return images, captions

    def mistakes(self, predictions: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
        """Returns the wrong predictions, those of which the model is most certain first.

        `about` names the wrong label of which it is most certain, and `certainty` is how certain, 0 to 1.
        """
        certainty = self.certainty_of_mistakes(self.images(predictions, classes))
        about, highest = np.array(classes, object)[certainty.argmax(axis=1)], certainty.max(axis=1)
        found = predictions.assign(about=about, certainty=highest)
        wrong = found[found["label"] != found["predicted"]]
        return wrong.sort_values(["certainty", "path"], ascending=[False, True])

    def compare(
        self,
        old: pd.DataFrame,
        new: pd.DataFrame,
        classes: tuple[str, ...],
        test: SignificanceTest,
        seed: int,
    ) -> Changes:
        """Compares the recall of each class, and finds the images that only one of the models predicts correctly.

        Regressions are images that only `old` predicts correctly, improvements those that only `new` does. Those come
        first for which the other model is most certain of its mistake.
        """
        before, after = (self.images(predictions, classes) for predictions in (old, new))
        old_right, new_right = ((one.truth == one.predicted).all(axis=1) for one in (before, after))
        old_certainty, new_certainty = (self.certainty_of_mistakes(one).max(axis=1) for one in (before, after))
        return Changes(
            tuple(_recall_changes(before, after, test.level)),
            _most_certain(old_right & ~new_right, new_certainty),
            _most_certain(new_right & ~old_right, old_certainty),
        )

    def explain_changes(self, most: int) -> tuple[str, str]:
        """See `EvaluationOfKind`."""
        return (
            "The champion predicts these images correctly, the challenger does not. "
            f"At most {most} are shown, those for which the challenger is most certain of its mistake.",
            "The challenger predicts these images correctly, the champion does not. "
            f"At most {most} are shown, those for which the champion is most certain of its mistake.",
        )

    def change_caption(self, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> list[str]:
        """See `EvaluationOfKind`."""
        lines = [f"is {new['label'] or 'no label'}"]
        for age, one in (("new:", new), ("old:", old)):
            labels = [f"{name} {one[PROBABILITY + name]:.0%}" for name in self.split(one["predicted"])]
            lines.append(f"{age} {', '.join(labels) or 'no label'}")
        return lines


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


def _most_certain(flags: Flags, certainty: Floats) -> Positions:
    return np.flatnonzero(flags)[np.argsort(-certainty[flags], kind="stable")]
