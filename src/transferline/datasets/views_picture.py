"""Draws a preview of the views: a row for each image, then each augmentation alone."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from transferline.datasets.augmentations import NEUTRAL
from transferline.datasets.contact_sheet import SIDE, Tile, contact_sheet, empty_tile
from transferline.datasets.images import read_batch
from transferline.datasets.masks import overlay, read_masks
from transferline.datasets.tables import ImageTable, split_labels
from transferline.datasets.transforms import apply_views, apply_views_to_masks
from transferline.datasets.views import FLIPS
from transferline.own_code import is_own
from transferline.params import Image

TILE = Image(size=SIDE, color="rgb", resize="crop")  # the borders of pad would look like an augmentation
ROWS, COLUMNS, FEWEST = 8, 10, 5
UNITS = {
    "rotation": "{:+.1f}°",
    "zoom": "{:.2f} times",
    "shear": "{:+.1f}°",
    "shift_x": "{:+.1%} of the width",
    "shift_y": "{:+.1%} of the height",
    "hue": "{:+.0f}°",
    "contrast": "{:.2f} times",
    "brightness": "{:+.1%} of 255",
}


def preview_views(views: ImageTable, raw: Path, path: Path) -> None:
    """Draws the first `COLUMNS` views of up to `ROWS` training images of different classes as a PNG.

    Below them it draws each augmentation alone, with the lowest and the highest value in the table, on the first of
    these images. For segmentation, the colours of the masks are drawn over the images.

    Args:
        views: the table of views, see `draw_views`.
        raw: the dataset's folder.
        path: the PNG to write.
    """
    train = views.of_split("train")
    untouched = train[train["view"] == 0]
    chosen = _of_different_classes(untouched, views.classes)
    shown = train[train["path"].isin(chosen) & (train["view"] < COLUMNS)]
    rows = pd.concat([shown[shown["path"] == one].sort_values("view") for one in chosen])
    columns = max(rows["view"].nunique(), FEWEST)
    tiles: list[Tile] = []
    for _, of_image in rows.groupby("path", sort=False):
        captions = [f"{label or '(none)'}\n{kind}" for label, kind in of_image[["label", "kind"]].to_numpy()]
        tiles += _row_of(of_image, captions, views, raw, columns)
    alone = list(_each_alone(train, untouched[untouched["path"] == chosen[0]]))
    if alone:
        pictures = pd.concat([row for row, _ in alone], ignore_index=True)
        tiles += _row_of(pictures, [caption for _, caption in alone], views, raw, columns)
    title = f"Views of {len(chosen)} training images, one row each"
    title += "\nBelow them: each augmentation alone, with its lowest and its highest value" if alone else ""
    contact_sheet(tiles, path, columns, title)


def _of_different_classes(images: pd.DataFrame, classes: tuple[str, ...]) -> list[str]:
    """Returns the paths of up to `ROWS` images: one for each class in turn, that shows a class not yet shown."""
    labels = {path: set(split_labels(label)) | {label} for path, label in images[["path", "label"]].to_numpy()}
    chosen: list[str] = []
    for name in classes:
        if len(chosen) < ROWS and not any(name in labels[path] for path in chosen):
            chosen += [path for path, of_image in labels.items() if name in of_image and path not in chosen][:1]
    rest = [path for path in labels if path not in chosen]
    evenly = np.linspace(0, len(rest) - 1, min(ROWS - len(chosen), len(rest))).round().astype(int)
    return chosen + [rest[place] for place in evenly]


def _each_alone(train: pd.DataFrame, image: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, str]]:
    """Yields a row of a view with one augmentation, and its caption, for each one that the table uses."""
    for flip, name in FLIPS.items():
        if train[flip].any():
            yield image.assign(**{flip: True}), f"{name.replace('_', ' ')}\nalone"
    for name in (*NEUTRAL, *filter(is_own, map(str, train))):
        low, high = train[name].min(), train[name].max()
        if low < high or (np.isfinite(low) and low != NEUTRAL.get(name)):
            shown = name.rpartition(":")[2].replace("_", " ")
            for value in dict.fromkeys((low, high)):
                yield image.assign(**{name: value}), f"{shown} alone\n{UNITS.get(name, '{:.3g}').format(value)}"


def _row_of(rows: pd.DataFrame, captions: list[str], views: ImageTable, raw: Path, columns: int) -> list[Tile]:
    """Returns tiles with views of one image, and empty ones at the end of their last row."""
    images = read_batch(raw, [rows["path"].iloc[0]], TILE).repeat(len(rows), axis=0)
    pixels = apply_views(images, rows).round().astype(np.uint8)
    if "mask" in rows:
        masks = apply_views_to_masks(read_masks(raw, rows[:1], TILE).repeat(len(rows), axis=0), rows)
        pixels = np.stack([overlay(image, mask, views.classes) for image, mask in zip(pixels, masks, strict=True)])
    return [*map(Tile, pixels, captions), *[empty_tile()] * (-len(rows) % columns)]
