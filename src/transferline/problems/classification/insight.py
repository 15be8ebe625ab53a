"""The question about the label of an image that has exactly one."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from transferline.arrays import Counts
from transferline.datasets.tables import class_positions


class ClassificationInsight:
    """See `InsightOfKind`."""

    def asked(self, classes: tuple[str, ...]) -> tuple[str, ...]:
        """See `InsightOfKind`."""
        return ("",)

    def possible(self, classes: tuple[str, ...]) -> int:
        """See `InsightOfKind`."""
        return len(classes)

    def answers(self, labels: pd.Series, classes: tuple[str, ...]) -> list[Counts]:
        """Returns the number of each image's class."""
        return [class_positions(labels, classes)[:, 0].astype(np.int64)]

    def about_classes(self, classes: tuple[str, ...]) -> list[tuple[str, int, int]]:
        """See `InsightOfKind`."""
        return [(name, 0, number) for number, name in enumerate(classes)]

    def labels(self, answers: Sequence[Counts], classes: tuple[str, ...]) -> pd.Series:
        """See `InsightOfKind`."""
        return pd.Series(np.array(classes, object)[answers[0]], dtype=object)
