"""What changes between two models on the same images: the metric of each class, and the images that change."""

from dataclasses import dataclass

import numpy as np

from transferline.arrays import Floats, Positions


@dataclass(frozen=True)
class ClassComparison:
    """The metric of one class (see `EvaluationOfKind.compared`) for both models.

    Attributes:
        images, groups: the number of images that have the class, and of their groups.
        low, high: the interval of the drop: champion minus challenger.
        surely: the lower end of the interval of the drop at the level / number of classes. So the chance that any of
            the classes of equal models has a positive one is at most about `level` (Bonferroni's correction).
    """

    name: str
    images: int
    groups: int
    champion: float
    challenger: float
    low: float
    high: float
    surely: float

    @property
    def drop(self) -> float:
        """Champion minus challenger; negative if the challenger is better."""
        return self.champion - self.challenger


@dataclass(frozen=True)
class Changes:
    """What changes from champion to challenger.

    Attributes:
        classes: those that the images have.
        regressions: positions of the images that get worse, the most important first.
        improvements: positions of the images that get better, in the same order.
    """

    classes: tuple[ClassComparison, ...]
    regressions: Positions
    improvements: Positions


def negative_first(differences: Floats) -> Positions:
    """Returns the positions of the negative values, the lowest first."""
    order = np.argsort(differences, kind="stable")
    return order[differences[order] < 0]
