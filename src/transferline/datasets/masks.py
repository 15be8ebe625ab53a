"""Masks: pictures in which the value of a pixel is the number of its class.

After reading, a mask holds the numbers of `Masks.classes`, and `VOID` for pixels without a class.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from transferline import params
from transferline.arrays import Floats, Mask, Pixels
from transferline.datasets.mask_values import (
    VOID,
    Values,
    are_colors,
    read_values,
    to_classes,
    values_from_text,
)
from transferline.errors import TransferlineError
from transferline.text import reason_of

BACKGROUND = "background"
DISTINCT = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
    *((0, 114, 178), (213, 94, 0), (204, 121, 167)),
)  # Okabe and Ito, Color Universal Design, 2008


def read_whole_mask(file: Path, values: Values) -> Mask:
    """Reads a mask in the size of its file, (height, width) uint8.

    Args:
        file: the mask.
        values: the value of each class in the file.

    Returns:
        The number of the class of each pixel, 0 to `len(values)` - 1, or `VOID`.

    Raises:
        TransferlineError: the file cannot be read as a mask.
    """
    try:
        return to_classes(read_values(file, are_colors(values)), values)
    except Exception as error:  # Pillow's decoders raise many kinds of exceptions for a broken file
        raise TransferlineError(f"{file} cannot be read as a mask: {reason_of(error)}") from error


def read_mask(file: Path, image: params.Image, values: Values) -> Mask:
    """Reads a mask and resizes it to `image.size` as `read_image` resizes the image, but with nearest neighbour.

    Returns:
        (size, size) uint8: see `read_whole_mask`. The borders that `pad` adds are `VOID`.
    """
    picture, size = Image.fromarray(read_whole_mask(file, values)), (image.size, image.size)
    if image.resize == "stretch":
        return np.asarray(picture.resize(size, Image.Resampling.NEAREST))
    return np.asarray(ImageOps.pad(picture, size, Image.Resampling.NEAREST, color=VOID))


def read_masks(root: Path, rows: pd.DataFrame, image: params.Image) -> Mask:
    """Reads the masks of all rows on all cores: uint8, (n, size, size). See `read_mask`.

    Args:
        root: the folder that the paths are relative to.
        rows: columns `mask`, the path, and `mask_values`, see `mask_values.py`.
        image: size and resizing.
    """
    nothing = np.empty((0, image.size, image.size), np.uint8)
    files = [root / path for path in rows["mask"]]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        read = [
            *pool.map(lambda file, text: read_mask(file, image, values_from_text(text)), files, rows["mask_values"])
        ]
    return np.stack(read) if read else nothing


def to_original(values: Floats, width: int, height: int, resize: str) -> Floats:
    """Resizes a model's prediction for an image to the size of the image's file, bilinearly.

    With many classes it takes much memory: see `classes_in_original`.

    Args:
        values: (size, size, channels).
        width: the file's width in pixels.
        height: the file's height in pixels.
        resize: how the image was resized to `size`: stretch or pad. The borders of pad are cut off.

    Returns:
        float32, (height, width, channels).
    """
    return np.stack([*_channels_in_original(values, width, height, resize)], axis=-1)


def classes_in_original(values: Floats, width: int, height: int, resize: str) -> Mask:
    """Returns the position of the largest channel of each pixel of `to_original`, (height, width).

    Only one channel is in memory at a time.
    """
    channels = _channels_in_original(values, width, height, resize)
    most, found = next(channels), np.zeros((height, width), np.uint8)
    for number, channel in enumerate(channels, 1):
        found[channel > most] = number
        most = np.maximum(most, channel)
    return found


def _channels_in_original(values: Floats, width: int, height: int, resize: str) -> Iterator[Floats]:
    side = len(values)
    inner = (side, side)
    if resize == "pad":  # with the rounding of `ImageOps.pad`
        inner = (side, round(height / width * side)) if width > height else (round(width / height * side), side)
    left, top = (round((side - length) * 0.5) for length in inner)
    box = (left, top, left + inner[0], top + inner[1])
    for channel in np.moveaxis(values.astype(np.float32), -1, 0):
        yield np.asarray(Image.fromarray(channel).resize((width, height), Image.Resampling.BILINEAR, box=box))


def colors(classes: Sequence[str]) -> Pixels:
    """Returns the colour of each class, (classes, 3). Only a class named background is black.

    The first seven others are those of Okabe and Ito, which colour-blind readers can tell apart too. The next ones are
    those of PASCAL VOC.
    """
    first = 0 if classes[0].lower() == BACKGROUND else 1
    palette = _voc_palette()
    palette[1 : 1 + len(DISTINCT)] = DISTINCT
    return palette[first : first + len(classes)]


def _voc_palette() -> Pixels:
    """Returns PASCAL VOC's colours, (256, 3).

    Bits 0, 3 and 6 of a class's number are the highest bits of red, the next bits those of green and blue.
    """
    numbers = np.arange(256)
    levels = [sum((numbers >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(3)) for channel in range(3)]
    return np.stack(levels, axis=-1).astype(np.uint8)


def write_mask(mask: Mask, classes: Sequence[str], file: Path, values: Values | None = None) -> None:
    """Writes a mask as a PNG, with the values that masks of the dataset have.

    Args:
        mask: (height, width) uint8, the numbers of classes, or `VOID`.
        classes: the names of the classes.
        file: the PNG.
        values: the value of each class; by default its number. Numbers up to 255 give a PNG with a palette, in which
            void is light grey, larger ones a grey PNG of 16 bits, and colours an RGB PNG.
    """
    values = values or tuple(range(len(classes)))
    if are_colors(values):
        shown = np.zeros((256, 3), np.uint8)
        shown[: len(values)] = values
        return Image.fromarray(shown[mask]).save(file, "PNG")
    numbers = np.full(256, VOID, np.uint16)
    numbers[: len(values)] = values
    if numbers.max() > VOID:
        return Image.fromarray(numbers[mask]).save(file, "PNG")
    palette = np.full((256, 3), 224, np.uint8)
    palette[list(values)] = colors(classes)
    picture = Image.fromarray(numbers[mask].astype(np.uint8))
    picture.putpalette(palette.ravel().tolist())
    picture.save(file, "PNG")
    return None


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
