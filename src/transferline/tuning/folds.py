"""Repeated splits of the images of train and validation. Images of test are left out."""

import pandas as pd

from transferline.datasets.checks.duplicates import are_near
from transferline.datasets.splits import deal, position_of
from transferline.datasets.tables import SEPARATOR, ImageTable
from transferline.errors import TransferlineError

LARGE = 1000  # validation images that are enough for one split


def repeated_splits(manifest: ImageTable, count: int, seed: int, bits: int) -> list[ImageTable]:
    """Returns tables with the same images and another division into train and validation.

    The first one is that of the manifest. The others put about as many groups into validation, by class as `validate`
    does; a group is never in both, and each class is in train. They leave out validation images that are near
    duplicates of a training image. If validation has `LARGE` images, the first one is the only one.

    Args:
        manifest: see `ImageTable`.
        count: the number of tables.
        seed: of the other divisions.
        bits: see `near_duplicates`.

    Raises:
        TransferlineError: train or validation has no image.
    """
    kept = manifest.rows[manifest.rows["kept"].astype(bool) & (manifest.rows["split"] != "test")]
    held_out = kept["split"] == "validation"
    if held_out.all() or not held_out.any():
        raise TransferlineError(
            "the manifest needs images for train and for validation; see data.split.validation, or add images"
        )
    share = kept.loc[held_out, "group"].nunique() / kept["group"].nunique()
    divisions = [kept]
    for number in range(1, count if held_out.sum() < LARGE else 1):
        positions = [position_of(f"tune {seed} {number} {group}", "") for group in kept["group"]]
        dealt = _with_every_class_in_train(kept, deal(kept.assign(position=positions), share, 0.0))
        division = _without_near_duplicates(kept.assign(split=dealt), bits)
        divisions.append(division if (division["split"] == "validation").any() else kept)
    return [ImageTable(division.reset_index(drop=True), manifest.classes) for division in divisions]


def _without_near_duplicates(images: pd.DataFrame, bits: int) -> pd.DataFrame:
    """Returns the images without those of validation that are near duplicates of a training image."""
    train, validation = (images[images["split"] == split] for split in ("train", "validation"))
    if "phash" not in images:
        return images
    return images.drop(index=validation.index[are_near(validation["phash"], train["phash"], bits)])


def _with_every_class_in_train(images: pd.DataFrame, split: pd.Series) -> pd.Series:
    """Moves the groups of classes without an image in train to train; a rare class can be in validation as a whole."""
    names = images["label"].str.split(SEPARATOR, regex=False).explode()
    trained = names[names.index.isin(images.index[split == "train"])]
    lost = images.loc[names.index[~names.isin(trained)], "group"]
    return split.mask(images["group"].isin(lost), "train")


def split_of_views(views: pd.DataFrame, division: ImageTable) -> pd.Series:
    """Returns the split of each view in a division; views of validation that are not untouched become `test`."""
    split = views["path"].map(division.rows.set_index("path")["split"])
    return split.mask((split == "validation") & (views["kind"] != "untouched"), "test")
