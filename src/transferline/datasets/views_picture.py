"""Draws a preview of the views: one row per image and one column per view."""

from pathlib import Path

import numpy as np

from transferline.datasets.contact_sheet import Tile, contact_sheet
from transferline.datasets.images import read_batch
from transferline.datasets.masks import overlay, read_masks
from transferline.datasets.tables import ImageTable
from transferline.datasets.transforms import apply_views, apply_views_to_masks
from transferline.params import Image

TILE = Image(size=128, color="rgb", resize="crop")  # the borders of pad would look like an augmentation
ROWS, COLUMNS = 8, 10


def preview_views(views: ImageTable, raw: Path, path: Path) -> None:
    """Draws the first `COLUMNS` views of `ROWS` training images of different classes as a PNG.

    For segmentation, the colours of the masks are drawn over the images.

    Args:
        views: the table of views, see `draw_views`.
        raw: the dataset's folder.
        path: the PNG to write.
    """
    train = views.of_split("train")
    train = train[train["view"] < COLUMNS]
    rank = train.groupby(["label", "view"]).cumcount()
    chosen = train[train["view"] == 0].assign(rank=rank).sort_values(["rank", "label"])["path"][:ROWS]
    rows = train[train["path"].isin(chosen)].sort_values(["label", "path", "view"])
    paths = list(rows["path"].unique())
    images = read_batch(raw, paths, TILE)[[paths.index(path) for path in rows["path"]]]
    pixels = apply_views(images, rows).round().astype(np.uint8)
    if "mask" in rows:
        masks = read_masks(raw, rows.drop_duplicates("path"), TILE)[[paths.index(path) for path in rows["path"]]]
        drawn = zip(pixels, apply_views_to_masks(masks, rows), strict=True)
        pixels = np.stack([overlay(image, mask, views.classes) for image, mask in drawn])
    captions = (f"{label or '(none)'}\n{kind}" for label, kind in zip(rows["label"], rows["kind"], strict=True))
    contact_sheet(list(map(Tile, pixels, captions)), path, columns=rows["view"].nunique())
