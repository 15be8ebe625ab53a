"""Draws a dataset: samples and the number of images of each class, sizes and brightness."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Pixels
from transferline.datasets.contact_sheet import thumbnail
from transferline.datasets.images import open_upright
from transferline.datasets.masks import BACKGROUND, colors, overlay, read_whole_mask
from transferline.datasets.show import Look, brightness, sizes
from transferline.errors import TransferlineError
from transferline.params import Masks
from transferline.plots import BLUE, ORANGE, SKY, picture

ROWS = 22  # classes in a column of the picture
PIXELS, GAP = 96, 4
COLORS = {"train": BLUE, "validation": ORANGE, "test": SKY, "": BLUE}
BARS, NAMES = 1.7, 1.4  # inches


def draw_dataset(found: Look, raw: Path, samples: int, path: Path, masks: Masks | None = None) -> None:
    """Draws a dataset as a PNG: for each class `samples` evenly spaced images, and the number of images by split.

    With masks, their colours are drawn over the images, and the name of each class has its colour.

    Args:
        found: the content of the dataset.
        raw: the dataset's folder.
        samples: the number of images per class, at least 1.
        path: the PNG to write.
        masks: the meaning of the masks' values; None for a dataset without masks.
    """
    columns = -(-len(found.classes) // ROWS)
    rows = -(-len(found.classes) // columns)
    tile = 0.9 if rows <= 8 else 0.56  # inches
    width = max(columns * (NAMES + samples * tile + BARS), 8)
    with picture(path, width, rows * tile + 4) as figure:
        figure.suptitle(f"{raw.name}: {len(found.images):,} images in {len(found.classes)} classes")
        above, below = figure.subfigures(2, 1, height_ratios=(rows * tile + 0.7, 3))
        counts = found.counts()
        for column, axes in enumerate(np.ravel(above.subplots(1, columns, squeeze=False))):
            names = found.classes[column * rows : (column + 1) * rows]
            _samples(axes, [_spread(found, name, samples) for name in names], partial(_drawn, found, raw, masks), rows)
            axes.set_yticks(np.arange(len(names)) + 0.5, [_short(name) for name in names])
            if masks:
                _color_names(axes, names, masks.classes)
            bars = axes.inset_axes((1.02, 0, BARS / (samples * tile) - 0.12, 1))
            _bars(bars, counts.loc[list(names)], rows, int(counts.sum(axis=1).max()))
        _sizes_and_brightness(below, found.images)


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"


def _spread(found: Look, name: str, samples: int) -> list[str]:
    paths = [path for path, labels in zip(found.images["path"], found.images["labels"], strict=True) if name in labels]
    chosen = np.linspace(0, len(paths) - 1, min(samples, len(paths))).round().astype(int)
    return [paths[index] for index in chosen]


def _samples(axes: Any, paths: list[list[str]], drawn: Callable[[str], Pixels], rows: int) -> None:
    columns = max(1, *map(len, paths))  # classes can have no image
    mosaic: Pixels = np.full((rows * PIXELS, columns * PIXELS, 3), 255, np.uint8)
    inner = PIXELS - GAP
    for row, of_class in enumerate(paths):
        for column, path in enumerate(of_class):
            top, left = row * PIXELS, column * PIXELS
            mosaic[top : top + inner, left : left + inner] = drawn(path)
    axes.imshow(mosaic, extent=(0, columns, rows, 0))
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _drawn(found: Look, raw: Path, masks: Masks | None, path: str) -> Pixels:
    """Returns an image as it is shown, (PIXELS - GAP) square, with its mask if it has one that can be read."""
    file: Path | Pixels = raw / path
    if masks:
        (mask,) = found.images.loc[found.images["path"] == path, "mask"]
        with suppress(TransferlineError):
            truth = read_whole_mask(raw / mask, masks.value_of_class)
            pixels = open_upright(raw / path, PIXELS, "rgb").resize(truth.shape[::-1])
            file = overlay(np.asarray(pixels), truth, masks.classes)
    return np.asarray(thumbnail(file, PIXELS - GAP))


def _color_names(axes: Any, names: Sequence[str], classes: tuple[str, ...]) -> None:
    """Gives the name of each class the colour of its masks."""
    shades = dict(zip(classes, colors(classes) / 255, strict=True))
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        if name in shades and name.lower() != BACKGROUND:
            label.set_bbox({"facecolor": shades[name], "edgecolor": "none", "pad": 2})
            label.set_color("black" if shades[name].mean() > 0.45 else "white")


def _bars(axes: Any, counts: pd.DataFrame, rows: int, most: int) -> None:
    start = np.zeros(len(counts))
    places = np.arange(len(counts)) + 0.5
    for split in (name for name in COLORS if name in counts):
        axes.barh(places, counts[split], 0.6, start, color=COLORS[split], label=split)
        start += counts[split].to_numpy()
    for place, total in zip(places, start, strict=True):
        axes.text(total + most / 50, place, f"{total:,.0f}", va="center", fontsize=8)
    axes.set(xlim=(0, 1.25 * most), ylim=(rows, 0), xlabel="images", yticks=[])
    axes.spines[["top", "right"]].set_visible(False)
    if list(counts) != [""]:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=8, frameon=False, handlelength=1)


def _sizes_and_brightness(figure: Any, images: pd.DataFrame) -> None:
    left, right = figure.subplots(1, 2)
    left.scatter(images["width"], images["height"], 14, color=BLUE, alpha=0.3, linewidths=0)
    left.set(xlabel="width in pixels", ylabel="height in pixels", xlim=(0, None), ylim=(0, None))
    left.set_title(sizes(images), fontsize=9)
    light = images["luminance_mean"]
    right.hist(light, bins=32, range=(0, 255), color=BLUE)
    right.set(xlabel="mean brightness (0 black, 255 white)", ylabel="images", xlim=(0, 255))
    right.set_title(f"brightness: {brightness(light)}", fontsize=9)
    for axes in (left, right):
        axes.grid(alpha=0.3)
