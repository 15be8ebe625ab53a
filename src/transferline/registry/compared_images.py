"""The test images on which champion and challenger are compared: those that neither model was trained on.

If the fractions of the splits or the dataset's own splits change, an image that the champion was trained on can come
into test. Images of its validation can come into test whenever a dataset grows, and they stay if they only chose its
epoch and thresholds, which at most favours the champion a little. A refitted champion was trained on them, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from transferline.datasets.checks.class_counts import labelled_images
from transferline.datasets.checks.duplicates import are_near
from transferline.datasets.tables import ImageTable
from transferline.params import Params, Split
from transferline.registry.version_files import LISTED


@dataclass(frozen=True)
class ComparedImages:
    """The compared images.

    Attributes:
        rows: their rows of the manifest.
        left_out: the number of test images that the champion was trained on, with their groups and near duplicates.
        short: the classes that have too few images for that reason, with the number that they have.
    """

    rows: pd.DataFrame
    left_out: int = 0
    short: dict[str, int] = field(default_factory=dict)


def compared_images(
    table: ImageTable, origin: Path | None, trained_on: Sequence[Sequence[Split]], params: Params
) -> ComparedImages:
    """Returns the test images of a manifest that the champion was not trained on.

    An image also counts as trained on if another image of its group was, or if it is a near duplicate of such an image
    that the challenger was not trained on.

    Args:
        table: the manifest.
        origin: the folder `origin` of the champion's version; None without a champion.
        trained_on: the splits that the challenger, and then the champion, were trained on; see `ModelCard`.
        params: `validate` has the least number of images of a class, and what a near duplicate is.
    """
    rows = table.of_split("test")
    if origin is None:
        return ComparedImages(rows)
    listed = pd.read_csv(origin / LISTED, keep_default_na=False, dtype=str)
    used = listed[(listed["kept"] == "True") & listed["split"].isin(trained_on[1])]
    ours = table.rows.loc[table.rows["split"].isin(trained_on[0]) & table.rows["kept"], "sha256"]
    left = rows[~_is_used(table, rows, used, ours, params.validate_.near_duplicate_bits)].reset_index(drop=True)
    before, after = (labelled_images(part, params.data)["label"].value_counts() for part in (rows, left))
    after = after.reindex(before.index, fill_value=0)
    short = after[(after < before) & (after < params.validate_.min_images)]
    return ComparedImages(left, len(rows) - len(left), {str(name): int(count) for name, count in short.items()})


def _is_used(table: ImageTable, rows: pd.DataFrame, used: pd.DataFrame, ours: pd.Series, bits: int) -> pd.Series:
    groups = {*used["group"], *table.rows.loc[table.rows["sha256"].isin(used["sha256"]), "group"]}
    found = rows["sha256"].isin(used["sha256"]) | rows["group"].isin(groups)
    if "phash" in used and "phash" in rows:
        found |= are_near(rows["phash"], used.loc[~used["sha256"].isin(ours), "phash"], bits)
    return found
