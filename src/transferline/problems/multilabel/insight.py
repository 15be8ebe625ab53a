"""The questions about the labels of an image that has any number of them: one for each class."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from transferline.arrays import Counts
from transferline.datasets.tables import join_labels, label_matrix


class MultilabelInsight:
    """See `InsightOfKind`."""

    def asked(self, classes: tuple[str, ...]) -> tuple[str, ...]:
        """See `InsightOfKind`."""
        return classes

    def possible(self, classes: tuple[str, ...]) -> int:
        """See `InsightOfKind`."""
        return 2

    def answers(self, labels: pd.Series, classes: tuple[str, ...]) -> list[Counts]:
        """Returns for each class whether an image has the label: 0 or 1."""
        return list(label_matrix(labels, classes).T.astype(np.int64))

    def about_classes(self, classes: tuple[str, ...]) -> list[tuple[str, int, int]]:
        """See `InsightOfKind`."""
        return [(name, number, 1) for number, name in enumerate(classes)]

    def labels(self, answers: Sequence[Counts], classes: tuple[str, ...]) -> pd.Series:
        """See `InsightOfKind`."""
        return join_labels(np.stack(answers, axis=1), classes)
