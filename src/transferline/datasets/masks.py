"""Masks: pictures in which the value of a pixel is the number of its class.

After reading, a mask holds the numbers of `Masks.classes`, and `VOID` for pixels without a class.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from transferline import params
from transferline.arrays import Floats, Mask, Pixels
from transferline.datasets.tables import SEPARATOR
from transferline.errors import TransferlineError
from transferline.params import Masks
from transferline.progress import progress
from transferline.text import first_of

VOID = 255
BACKGROUND = "background"
VOID_PIXELS = "(void)"
SHOWN = 10  # unknown values


def read_values(file: Path) -> Mask:
    """Reads the unchanged values of a mask file, (height, width) uint8.

    Raises:
        TransferlineError: the file cannot be read, or is not a PNG with a palette or with values of 8 bits.
    """
    try:
        with Image.open(file, formats=("PNG",)) as opened:
            if opened.mode not in ("1", "L", "P"):
                raise ValueError(f"its mode is {opened.mode}; it must be a PNG with a palette or with 8-bit values")
            return np.asarray(opened).astype(np.uint8)
    except Exception as error:  # Pillow's decoders raise many kinds of exceptions for a broken file
        raise TransferlineError(f"{file} cannot be read as a mask: {error or type(error).__name__}") from error


def read_whole_mask(file: Path, classes: int) -> Mask:
    """Reads a mask in the size of its file, (height, width) uint8: 0 to `classes` - 1, or `VOID`."""
    values = read_values(file)
    return np.where(values < classes, values, VOID).astype(np.uint8)


def read_mask(file: Path, image: params.Image, classes: int) -> Mask:
    """Reads a mask and resizes it to `image.size` as `read_image` resizes the image, but with nearest neighbour.

    Returns:
        (size, size) uint8: 0 to `classes` - 1, or `VOID`. The borders that `pad` adds are `VOID`.
    """
    picture, size = Image.fromarray(read_whole_mask(file, classes)), (image.size, image.size)
    if image.resize == "stretch":
        return np.asarray(picture.resize(size, Image.Resampling.NEAREST))
    return np.asarray(ImageOps.pad(picture, size, Image.Resampling.NEAREST, color=VOID))


def read_masks(root: Path, paths: Sequence[str], image: params.Image, classes: int) -> Mask:
    """Reads `root / path` for all `paths` on all cores: uint8, (n, size, size). See `read_mask`."""
    nothing = np.empty((0, image.size, image.size), np.uint8)
    read = partial(read_mask, image=image, classes=classes)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.stack([*pool.map(read, [root / path for path in paths])]) if paths else nothing


def to_original(values: Floats, width: int, height: int, resize: str) -> Floats:
    """Resizes a model's prediction for an image to the size of the image's file, bilinearly.

    Args:
        values: (size, size, channels).
        width: the file's width in pixels.
        height: the file's height in pixels.
        resize: how the image was resized to `size`: stretch or pad. The borders of pad are cut off.

    Returns:
        float32, (height, width, channels).
    """
    side = len(values)
    inner = (side, side)
    if resize == "pad":  # with the rounding of `ImageOps.pad`
        inner = (side, round(height / width * side)) if width > height else (round(width / height * side), side)
    left, top = (round((side - length) * 0.5) for length in inner)
    box = (left, top, left + inner[0], top + inner[1])
    channels = [Image.fromarray(channel) for channel in np.moveaxis(values.astype(np.float32), -1, 0)]
    resized = [channel.resize((width, height), Image.Resampling.BILINEAR, box=box) for channel in channels]
    return np.stack([np.asarray(channel) for channel in resized], axis=-1)


def scan_masks(raw: Path, rows: pd.DataFrame, masks: Masks) -> pd.DataFrame:
    """Reads the masks of all images that should have one, on all cores.

    Args:
        raw: the dataset's folder.
        rows: columns `mask`, a path or null, and `width` and `height` of the image.
        masks: the meaning of the masks' values.

    Returns:
        A row for each of `rows`, with null where `mask` is null. Columns: `label`, the names of the classes in the mask
        with `SEPARATOR` between them; `mask_error`, whose first word is the rule that the mask breaks; `pixels`,
        (classes + 1,), the number of pixels of each class and of void.
    """

    def look_at(row: Any) -> tuple[str | None, str | None, Any]:
        return _look_at(raw / row.mask, (row.width, row.height), masks) if pd.notna(row.mask) else (None, None, None)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        table = list(progress(pool.map(look_at, rows.itertuples()), len(rows), "masks read"))
    return pd.DataFrame(table, rows.index, ["label", "mask_error", "pixels"], dtype=object)


def _look_at(file: Path, size: tuple[Any, Any], masks: Masks) -> tuple[str, str | None, Any]:
    try:
        values = read_values(file)
    except TransferlineError as error:
        missing = f"there is no mask {file.parent.name}/{file.name}"
        return "", f"mask_missing: {error if file.exists() else missing}", None
    counts = np.bincount(values.ravel(), minlength=256)
    known = counts[: len(masks.classes)].copy()
    label = SEPARATOR.join(name for name, count in zip(masks.classes, known, strict=True) if count)
    void = counts[masks.void]
    counts[: len(masks.classes)], counts[masks.void] = 0, 0
    fault = None
    if pd.notna(size[0]) and values.shape != size[::-1]:
        fault = f"mask_size: {size[0]} × {size[1]} pixels, its mask {values.shape[1]} × {values.shape[0]}"
    elif unknown := np.flatnonzero(counts).tolist():
        fault = (
            f"mask_values: its mask holds {first_of(unknown, SHOWN)}; the classes are 0 to "
            f"{len(masks.classes) - 1}, void is {masks.void}"
        )
    elif label.lower() in ("", BACKGROUND):
        fault = f"mask_empty: its mask holds nothing but {label or 'void'}"
    return label, fault, np.append(known, void)


def count_pixels(rows: pd.DataFrame, masks: Masks) -> dict[str, int]:
    """Counts the pixels of each class and of void in the masks of kept images; see `scan_masks` for the columns."""
    counts = np.sum([np.zeros(len(masks.classes) + 1, int), *rows.loc[rows["kept"], "pixels"]], axis=0)
    return dict(zip((*masks.classes, VOID_PIXELS), map(int, counts), strict=True))


def colors(classes: Sequence[str]) -> Pixels:
    """Returns PASCAL VOC's colour of each class, (classes, 3). Only a class named background is black."""
    first = 0 if classes[0].lower() == BACKGROUND else 1
    return _voc_palette()[first : first + len(classes)]


def _voc_palette() -> Pixels:
    """Returns PASCAL VOC's colours, (256, 3).

    Bits 0, 3 and 6 of a class's number are the highest bits of red, the next bits those of green and blue.
    """
    numbers = np.arange(256)
    levels = [sum((numbers >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(3)) for channel in range(3)]
    return np.stack(levels, axis=-1).astype(np.uint8)


def write_mask(mask: Mask, classes: Sequence[str], file: Path) -> None:
    """Writes a mask as a PNG with a palette. Void is light grey."""
    palette = np.full((256, 3), 224, np.uint8)
    palette[: len(classes)] = colors(classes)
    picture = Image.fromarray(mask)
    picture.putpalette(palette.ravel().tolist())
    picture.save(file, "PNG")


def overlay(pixels: Pixels, mask: Mask, classes: Sequence[str]) -> Pixels:
    """Draws the colours of a mask's classes over an image; returns (height, width, 3) uint8.

    Args:
        pixels: (height, width, 3), or (height, width, 1) for grey.
        mask: (height, width). Pixels of void and of the class background do not change.
        classes: the names of the classes.
    """
    rgb = np.broadcast_to(pixels, (*mask.shape, 3)).astype(np.float32)
    known = np.append(np.array([name.lower() != BACKGROUND for name in classes]), False)
    number = np.minimum(mask, len(classes))
    shade = np.append(colors(classes), [[0, 0, 0]], axis=0)[number]
    share = 0.55 * known[number][..., None]
    return np.rint(rgb * (1 - share) + shade * share).astype(np.uint8)
