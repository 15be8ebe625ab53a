"""Masks have no label for the whole image."""

from collections.abc import Sequence

import pandas as pd

from transferline.arrays import Counts


class SegmentationInsight:
    """See `InsightOfKind`."""

    not_applicable = "a mask gives each pixel a class, and the image as a whole has no label"

    def asked(self, classes: tuple[str, ...]) -> tuple[str, ...]:
        """Returns no question."""
        return ()

    def possible(self, classes: tuple[str, ...]) -> int:
        """See `InsightOfKind`."""
        return 0

    def answers(self, labels: pd.Series, classes: tuple[str, ...]) -> list[Counts]:
        """Returns no answers."""
        return []

    def about_classes(self, classes: tuple[str, ...]) -> list[tuple[str, int, int]]:
        """Returns nothing."""
        return []

    def labels(self, answers: Sequence[Counts], classes: tuple[str, ...]) -> pd.Series:
        """Returns no labels."""
        return pd.Series(dtype=str)
