"""What each kind of problem defines for the package `insight`: the questions that a label answers. No TensorFlow."""

from collections.abc import Sequence
from typing import Protocol

import pandas as pd

from transferline.arrays import Counts
from transferline.not_applicable import NotApplicableError
from transferline.params import Problem
from transferline.problems.classification.insight import ClassificationInsight
from transferline.problems.multilabel.insight import MultilabelInsight


class InsightOfKind(Protocol):
    """The column `label` as answers to questions with a fixed number of possible answers.

    With one label per image there is one question: which class? With several labels each class is a question: 1 if the
    image has the label, else 0.
    """

    def asked(self, classes: tuple[str, ...]) -> tuple[str, ...]:
        """Returns the class that each question is about; "" for a question about all classes."""

    def possible(self, classes: tuple[str, ...]) -> int:
        """Returns the number of possible answers of a question."""

    def answers(self, labels: pd.Series, classes: tuple[str, ...]) -> list[Counts]:
        """Returns for each question the number of each image's answer, (n,)."""

    def about_classes(self, classes: tuple[str, ...]) -> list[tuple[str, int, int]]:
        """Returns for each class its name, the number of the question about it, and the answer that means yes."""

    def labels(self, answers: Sequence[Counts], classes: tuple[str, ...]) -> pd.Series:
        """Returns the column `label` from the answers to all questions; the inverse of `answers`."""


# The questions, or the reason why images of this kind have none.
INSIGHTS: dict[Problem, InsightOfKind | str] = {
    "binary": ClassificationInsight(),
    "multiclass": ClassificationInsight(),
    "multilabel": MultilabelInsight(),
    "segmentation": "a mask gives each pixel a class, and the image as a whole has no label",
}


def insight_of(problem: Problem) -> InsightOfKind:
    """Returns the questions of a kind of problem.

    Raises:
        NotApplicableError: images of this kind have none.
    """
    found = INSIGHTS[problem]
    if isinstance(found, str):
        raise NotApplicableError(found)
    return found
