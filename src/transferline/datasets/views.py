"""Views: the augmented versions of each image, drawn once from a seed and stored as a table."""

import numpy as np
import pandas as pd

from transferline.arrays import Array, Floats
from transferline.datasets.augmentations import NEUTRAL
from transferline.datasets.tables import ImageTable
from transferline.errors import TransferlineError
from transferline.params import Augment

FLIPS = {"flip_horizontal": "horizontal_flip", "flip_vertical": "vertical_flip"}


def draw_views(manifest: ImageTable, augment: Augment) -> ImageTable:
    """Draws the views of every kept image.

    View 0 is the untouched image. Images of train also get one view for each allowed flip, which is only flipped, and
    `augment.views` augmented views. A random value depends only on the seed, the image's sha256, the view's number and
    the parameter's name, so new images do not change the views of other images.

    Args:
        manifest: rows with `path`, `label`, `split`, `group`, `sha256` and `kept`.

    Returns:
        One row per view, in the order of the manifest, with `path`, `mask` (for segmentation), `label`, `split`,
        `group`, `sha256`, `tested` (a validation image on which a champion was tested), `view` (0 is the untouched
        image), `kind` (untouched, flipped or augmented), `flip_horizontal`, `flip_vertical`, a column for each
        augmentation (see `augmentations.py`), a column for each augmentation of the user with its import path as name
        (null in views that are not augmented), and `fill`.

    Raises:
        TransferlineError: no image of train is kept.
    """
    images = manifest.rows[manifest.rows["kept"].astype(bool)].reset_index(drop=True)
    if not (images["split"] == "train").any():
        raise TransferlineError("the manifest keeps no image for train; run `dvc repro validate` to see why")
    flips = [column for column, key in FLIPS.items() if getattr(augment, key)]
    kinds = np.array(["untouched"] + ["flipped"] * len(flips) + ["augmented"] * augment.views)
    rows = images.loc[images.index.repeat(np.where(images["split"] == "train", len(kinds), 1))]
    view = rows.groupby(level=0).cumcount().to_numpy()
    keys = (f"{augment.seed}/" + rows["sha256"] + "/" + pd.Series(view, rows.index).astype(str)).to_numpy(object)
    wanted = ("path", "mask", "mask_values", "label", "split", "group", "sha256", "tested")
    table = rows[[column for column in wanted if column in rows]].assign(view=view, kind=kinds[view])
    is_augmented = kinds[view] == "augmented"
    for column in FLIPS:
        pure = view == flips.index(column) + 1 if column in flips else False
        table[column] = pure | (is_augmented & (column in flips) & (_uniform(keys, column) < 0.5))
    for column, neutral in NEUTRAL.items():
        low, high = getattr(augment, column)
        table[column] = np.where(is_augmented, low + (high - low) * _uniform(keys, column), neutral)
    for own in augment.own:
        low, high = own.range
        share = _uniform(keys + f"/{own.function}", "own")
        table[own.function] = np.where(is_augmented, low + (high - low) * share, np.nan)
    return ImageTable(table.assign(fill=augment.fill).reset_index(drop=True), manifest.classes)


def _uniform(keys: Array, parameter: str) -> Floats:
    """Returns a number in [0, 1) for each key, by SipHash: the same in every process and in every row of the table."""
    bits = pd.util.hash_array(keys, hash_key=f"{parameter:<16}", categorize=False)
    return np.asarray((bits >> np.uint64(11)) * 2.0**-53, dtype=np.float64)
