"""Counts the images of each class in each split."""

from typing import get_args

import pandas as pd

from transferline.datasets.checks.similar_names import similar_names
from transferline.datasets.layouts.listing import Listing
from transferline.datasets.tables import split_labels
from transferline.params import Data, Split
from transferline.params.problem_kinds import KINDS

SPLITS: tuple[Split, ...] = get_args(Split)


def labelled_images(images: pd.DataFrame, data: Data) -> pd.DataFrame:
    """Returns the images with a label. An image with several labels or classes in its mask has one row for each."""
    if KINDS[data.problem].joins_names:
        images = images.assign(label=images["label"].map(split_labels, na_action="ignore")).explode("label")
    return images.dropna(subset="label")


def images_by_class_and_split(labelled: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """Counts kept images, with a row per class and a column per split."""
    kept = labelled[labelled["kept"]]
    counts = pd.crosstab(kept["label"], kept["split"])
    return counts.reindex(index=pd.Index(classes), columns=pd.Index(SPLITS), fill_value=0)


def rows_to_judge(labelled: pd.DataFrame, per_class: pd.DataFrame, listing: Listing, data: Data) -> pd.DataFrame:
    """Returns the table `classes` of `rules.py`."""
    unused = ["test"] if listing.files["given"].isna().all() and data.split.test == 0 else []
    used = per_class.drop(columns=unused)
    largest = used["train"].max()
    table = [
        {
            "path": name,
            "split": split,
            "images": images,
            "ratio": largest / images if split == "train" and images else None,
        }
        for name, counts in used.iterrows()
        for split, images in counts.items()
    ]
    folders = [
        {"path": folder, "split": "", "files": int(_is_in(labelled, folder).sum())} for folder in listing.folders
    ]
    declared = [
        {"path": name, "split": "", "files": int((labelled["label"] == name).sum())} for name in listing.classes
    ]
    similar = similar_names(listing.folders or listing.classes or map(str, per_class.index))
    own_split = "" if folders or declared else "train"
    rows = [*table, *folders, *declared]
    for row in rows:
        if row["split"] == own_split and row["path"] in similar:
            row["like"], row["difference"] = similar[row["path"]]
    return pd.DataFrame(rows, columns=["path", "split", "images", "ratio", "files", "like", "difference"])


def _is_in(labelled: pd.DataFrame, folder: str) -> pd.Series:
    """Returns which images have the label of a class folder and are in the same split folder.

    The image itself can be in another class folder, if a correction changed its label.
    """
    root, slash, name = folder.rpartition("/")
    return (labelled["label"] == name) & labelled["path"].str.startswith(root + slash)
