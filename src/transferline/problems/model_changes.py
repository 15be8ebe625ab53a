"""What changes between two models on the same images: of each class, and which images change sides."""

from dataclasses import dataclass

import numpy as np

from transferline.arrays import Floats, Positions


@dataclass(frozen=True)
class ClassComparison:
    """A measure of one class (see `EvaluationOfKind.compared`) by both models, and the interval of what the challenger
    loses of it."""

    name: str
    images: int
    champion: float
    challenger: float
    low: float
    high: float

    @property
    def drop(self) -> float:
        """What is lost; negative if the challenger is better."""
        return self.champion - self.challenger


@dataclass(frozen=True)
class Changes:
    """What the challenger changes.

    Attributes:
        classes: those that the images hold.
        regressions: positions of the images that get worse, the first to look at first.
        improvements: of those that get better.
    """

    classes: tuple[ClassComparison, ...]
    regressions: Positions
    improvements: Positions


def negative_first(differences: Floats) -> Positions:
    """The positions of the negative ones, the lowest first."""
    order = np.argsort(differences, kind="stable")
    return order[differences[order] < 0]
