"""The values in the files of masks: numbers of a grey mask or one with a palette, or colours.

A number or a colour of `Masks.values` is the value of a class. Here, a colour is the number
65536 red + 256 green + blue.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL.ImageFile import ImageFile

from transferline.arrays import Array, Mask
from transferline.datasets.images import BITS_PER_SAMPLE, TURNS, open_picture, orientation_of
from transferline.params import MaskValue

VOID = 255
LOSSLESS = ("PNG", "BMP", "GIF", "TIFF")
IN_COLORS = 65536  # red of a colour as a number
PNG_BITS = 24  # the place of the bit depth in a PNG

Values = tuple[MaskValue, ...]


def values_as_text(values: Values) -> str:
    """Returns the values of the classes as the text in the column `mask_values` of the manifest and the views."""
    return json.dumps(values)


@lru_cache
def values_from_text(text: str) -> Values:
    """The inverse of `values_as_text`."""
    return tuple(tuple(value) if isinstance(value, list) else value for value in json.loads(text))


def are_colors(values: Sequence[MaskValue | None]) -> bool:
    """Returns whether values, or void, are colours."""
    return any(isinstance(value, tuple) for value in values)


def as_number(value: MaskValue) -> int:
    """Returns a value as the number that `read_values` returns for it."""
    return value if isinstance(value, int) else int(np.dot(value, (IN_COLORS, 256, 1)))


def open_mask(file: Path, in_colors: bool, max_pixels: int | None = None) -> ImageFile:
    """Opens a mask, without its pixels, and checks that it holds values or colours.

    Raises:
        OSError: the file cannot be opened.
        ValueError: its format or mode is not one of a mask; the message says what to do.
        Exception: it is not an image, see `open_picture`.
    """
    opened = open_picture(file.read_bytes(), str(file), max_pixels)
    if opened.format not in LOSSLESS:
        raise ValueError(f"its content is {opened.format}, whose compression changes values; save the mask as PNG")
    if in_colors and opened.mode not in ("1", "L", "P", "RGB", "RGBA"):
        raise ValueError(f"its mode is {opened.mode}; a mask with colours must be RGB or have a palette")
    if not in_colors and opened.mode not in ("1", "L", "P", "I;16", "I;16B"):
        raise ValueError(
            f"its mode is {opened.mode}; it must have a palette or grey values of at most 16 bits. If it shows classes "
            "as colours, give them in data.masks.values, such as [[0, 0, 0], [255, 0, 0]]"
        )
    return opened


def decode_values(opened: ImageFile, file: Path, in_colors: bool) -> Array:
    """Returns the values of an opened mask, (height, width): uint8, uint16, or uint32 for colours.

    The values are those of the file, also for 1, 2 and 4 bits, which Pillow scales. EXIF turns masks like images.
    """
    bits = _bits(opened, file)
    opened.load()
    orientation = orientation_of(opened)
    picture = opened.transpose(TURNS[orientation]) if orientation in TURNS else opened
    if in_colors:
        return np.asarray(picture.convert("RGB")).astype(np.uint32) @ np.array((IN_COLORS, 256, 1), np.uint32)
    values = np.asarray(picture)
    if values.dtype.itemsize == 2:
        return values.astype(np.uint16)
    return values.astype(np.uint8) // (255 // (2**bits - 1) if opened.mode == "L" else 1)


def _bits(opened: ImageFile, file: Path) -> int:
    """Returns the bits of a grey value in the file."""
    if opened.format == "TIFF":
        return int(getattr(opened, "tag_v2").get(BITS_PER_SAMPLE, (8,))[0])  # noqa: B009
    if opened.format == "PNG":
        with file.open("rb") as stream:
            return stream.read(PNG_BITS + 1)[PNG_BITS]
    return 8


def read_values(file: Path, in_colors: bool = False) -> Array:
    """Reads a mask, see `open_mask` and `decode_values`."""
    with open_mask(file, in_colors) as opened:
        return decode_values(opened, file, in_colors)


def to_classes(found: Array, values: Values) -> Mask:
    """Returns the number of the class of each pixel, uint8; `VOID` where a value is that of no class."""
    classes: Mask = _class_of_number(values)[found]
    return classes


@lru_cache(4)
def _class_of_number(values: Values) -> Mask:
    table = np.full(256 * IN_COLORS if are_colors(values) else IN_COLORS, VOID, np.uint8)
    table[[as_number(value) for value in values]] = range(len(values))
    return table
