"""The selection of views and images for a training from the table of views."""

import numpy as np
import pandas as pd

from transferline.datasets.tables import ImageTable
from transferline.params import Views

SAMPLES = 8
KINDS: dict[Views | None, tuple[str, ...]] = {
    None: (),
    "untouched": ("untouched",),
    "flipped": ("untouched", "flipped"),
    "augmented": ("untouched", "augmented"),
}


def sample_paths(table: ImageTable) -> list[str]:
    """Returns the paths of some validation images, at equal distances in the table."""
    paths = table.of_split("validation")["path"].drop_duplicates()
    return list(paths.iloc[np.linspace(0, len(paths) - 1, min(SAMPLES, len(paths))).astype(int)])


def training_rows(table: ImageTable, views: Views) -> pd.DataFrame:
    """Returns the rows of train and validation for a training without a bank, with the index 0, 1, …"""
    rows = table.rows[(table.rows["split"] != "test") & table.rows["kind"].isin(KINDS[views])]
    return rows.reset_index(drop=True)
