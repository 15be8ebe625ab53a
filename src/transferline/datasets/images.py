"""Reads image files as arrays with a given size and colour mode."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageOps

from transferline import params
from transferline.arrays import Pixels
from transferline.errors import TransferlineError

BITS_PER_SAMPLE, SAMPLE_FORMAT, SIGNED = 258, 339, 2  # tags of TIFF 6.0 and the value for two's complement


def read_image(file: Path | BytesIO, image: params.Image) -> Pixels:
    """Reads one image, upright by its EXIF orientation; of several frames the first one.

    Transparent parts become white. Integers of more than 8 bits are scaled from the range of their type to 0 to 255, so
    all files of a type are scaled in the same way. A JPEG much larger than `image.size` is decoded at a reduced scale,
    at least twice that size. Resizing is bilinear with antialiasing; an image that already has the size keeps its
    pixels.

    Returns:
        uint8, (size, size, 3) for rgb and (size, size, 1) for grayscale.

    Raises:
        TransferlineError: the file cannot be read as an image, or has floating-point pixels, whose range is unknown.
    """
    sized = _resize(open_upright(file, image.size, image.color), image)
    return np.asarray(sized).reshape(image.size, image.size, -1)


def read_pixels(pixels: Pixels, image: params.Image) -> Pixels:
    """Returns pixels in memory, (height, width) or (height, width, 3) uint8, as `read_image` reads them from a file."""
    sized = _resize(_to_color(Image.fromarray(pixels), image.color), image)
    return np.asarray(sized).reshape(image.size, image.size, -1)


def open_upright(file: Path | BytesIO, size: int, color: Literal["rgb", "grayscale"]) -> Image.Image:
    """Returns the picture that `read_image` resizes, in the file's size; a large JPEG has at least twice `size`.

    Raises:
        TransferlineError: see `read_image`.
    """
    try:
        with Image.open(file, formats=get_args(params.Format)) as opened:
            opened.draft(None, (2 * size, 2 * size))
            ImageOps.exif_transpose(opened, in_place=True)  # in_place avoids a copy of an upright image
            return _to_color(to_8_bits(opened, opened), color)
    except Exception as error:  # Pillow's decoders raise many kinds of exceptions for a broken file
        raise TransferlineError(f"{file} cannot be read as an image: {error or type(error).__name__}") from error


def _to_color(picture: Image.Image, color: Literal["rgb", "grayscale"]) -> Image.Image:
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    mode = "RGB" if color == "rgb" else "L"
    return picture if picture.mode == mode else picture.convert(mode)


def to_8_bits(picture: Image.Image, file: Image.Image) -> Image.Image:
    """Scales greyscale pixels to 8 bits, from the range of the file's type: 16 bits, or as the tags of a TIFF say."""
    if file.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range; save it with 8 or 16 bits")
    if not file.mode.startswith("I"):
        return picture
    tags = getattr(file, "tag_v2", {})
    bits = tags.get(BITS_PER_SAMPLE, (16,))[0]
    lowest = -(2 ** (bits - 1)) if tags.get(SAMPLE_FORMAT, (1,))[0] == SIGNED else 0
    values = (np.asarray(picture).astype(np.int64) - lowest) % 2**bits
    return Image.fromarray(np.rint(values * (255 / (2**bits - 1))).astype(np.uint8))


def _resize(picture: Image.Image, image: params.Image) -> Image.Image:
    size = (image.size, image.size)
    if image.resize == "stretch":
        return picture.resize(size, Image.Resampling.BILINEAR)
    fit = ImageOps.pad if image.resize == "pad" else ImageOps.fit
    return fit(picture, size, Image.Resampling.BILINEAR)


def read_batches(root: Path, paths: Sequence[str], image: params.Image, batch_size: int) -> Iterator[Pixels]:
    """Reads `root / path` for all `paths`, in order, on all cores. It reads the next batch while the caller uses one.

    Yields:
        (batch_size, size, size, channels) uint8; the last batch can be smaller.

    Raises:
        TransferlineError: a file cannot be read; the message names the first such file.
    """
    pool = ThreadPoolExecutor(os.cpu_count())
    read = partial(read_image, image=image)
    try:
        waiting: list[Iterator[Pixels]] = []
        for start in range(0, len(paths), batch_size):
            waiting.append(pool.map(read, [root / path for path in paths[start : start + batch_size]]))
            if len(waiting) == 2:
                yield np.stack(list(waiting.pop(0)))
        for last in waiting:
            yield np.stack(list(last))
    finally:
        pool.shutdown(cancel_futures=True)


def read_batch(root: Path, paths: Sequence[str], image: params.Image) -> Pixels:
    """Reads `root / path` for all `paths` at once: uint8, (n, size, size, channels). See `read_batches`."""
    channels = 3 if image.color == "rgb" else 1
    nothing = np.empty((0, image.size, image.size, channels), np.uint8)
    return next(read_batches(root, paths, image, max(len(paths), 1)), nothing)
