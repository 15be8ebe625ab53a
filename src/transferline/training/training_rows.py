"""Which views and which images a training takes from the table of views."""

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
    """Paths of some validation images, evenly spread."""
    paths = table.of_split("validation")["path"].drop_duplicates()
    return list(paths.iloc[np.linspace(0, len(paths) - 1, min(SAMPLES, len(paths))).astype(int)])


def training_rows(table: ImageTable, views: Views) -> pd.DataFrame:
    """The rows of train and validation that a training without a bank takes, with a fresh index."""
    rows = table.rows[(table.rows["split"] != "test") & table.rows["kind"].isin(KINDS[views])]
    return rows.reset_index(drop=True)
