"""The preview of the views: a picture with one row per image and one column per view."""

from pathlib import Path

import numpy as np

from transferline.data.contact_sheet import Tile, contact_sheet
from transferline.data.images import read_batch
from transferline.data.tables import ImageTable
from transferline.data.transform import apply_views
from transferline.params import Image

TILE = Image(size=128, color="rgb", resize="crop")  # the borders of pad would look like the work of augmentation
ROWS, COLUMNS = 8, 10


def preview_views(views: ImageTable, raw: Path, path: Path) -> None:
    """Draws the first `COLUMNS` views of `ROWS` training images, spread over the classes, as a PNG.

    Args:
        views: see `draw_views`.
        raw: the folder that the paths of the table start from.
        path: the picture to write.
    """
    train = views.of_split("train")
    train = train[train["view"] < COLUMNS]
    rank = train.groupby(["label", "view"]).cumcount()
    chosen = train[train["view"] == 0].assign(rank=rank).sort_values(["rank", "label"])["path"][:ROWS]
    rows = train[train["path"].isin(chosen)].sort_values(["label", "path", "view"])
    paths = list(rows["path"].unique())
    images = read_batch(raw, paths, TILE)[[paths.index(path) for path in rows["path"]]]
    pixels = apply_views(images, rows).round().astype(np.uint8)
    captions = (f"{label or '(none)'}\n{kind}" for label, kind in zip(rows["label"], rows["kind"], strict=True))
    contact_sheet(list(map(Tile, pixels, captions)), path, columns=rows["view"].nunique())
