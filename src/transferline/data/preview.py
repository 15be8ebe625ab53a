"""The preview of the views: a picture with one row per image and one column per view."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from transferline import params
from transferline.data.images import read_batch
from transferline.data.tables import ImageTable
from transferline.data.transform import apply_views

TILE = params.Image(size=128, color="rgb", resize="pad")
CAPTION = 18
ROWS, COLUMNS = 8, 10


def preview_views(views: ImageTable, raw: Path, path: Path) -> None:
    """Draws the first `COLUMNS` views of `ROWS` training images, spread over the classes, as a PNG.

    Args:
        views: see `draw_views`.
        raw: the folder that the paths of the table start from.
        path: the picture to write.
    """
    train = views.of_split("train")
    rank = train.groupby(["label", "view"]).cumcount()
    chosen = train[train["view"] == 0].assign(rank=rank).sort_values(["rank", "label"])["path"][:ROWS]
    rows = train[train["path"].isin(chosen) & (train["view"] < COLUMNS)].sort_values(["label", "path", "view"])
    paths = rows["path"].unique()
    images = read_batch(raw, list(paths), TILE)
    tiles = apply_views(images[[list(paths).index(path) for path in rows["path"]]], rows).round().astype(np.uint8)
    kinds = rows["kind"][rows["path"] == paths[0]]
    sheet = Image.new("RGB", (len(kinds) * TILE.size, len(paths) * TILE.size + CAPTION), "white")
    sheet.paste(Image.fromarray(np.vstack([np.hstack(row) for row in np.split(tiles, len(paths))])), (0, CAPTION))
    for column, kind in enumerate(kinds):
        ImageDraw.Draw(sheet).text(((column + 0.5) * TILE.size, CAPTION / 2), kind, fill="black", anchor="mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    sheet.save(partial, "PNG")
    partial.replace(path)
