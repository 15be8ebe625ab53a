"""Reads image files as arrays with a given size and colour mode."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile

from transferline import params
from transferline.arrays import Pixels
from transferline.datasets.file_formats import recognize
from transferline.datasets.png_text import without_texts
from transferline.errors import TransferlineError
from transferline.text import reason_of

BITS_PER_SAMPLE, SAMPLE_FORMAT, SIGNED = 258, 339, 2  # tags of TIFF 6.0 and the value for two's complement
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # that make an image with this EXIF orientation upright


class TooManyPixelsError(ValueError):
    """An image has more pixels than the limit; nothing of it was decoded."""


def read_image(file: Path | BytesIO, image: params.Image, max_pixels: int | None = params.MAX_PIXELS) -> Pixels:
    """Reads one image, upright by its EXIF orientation; of several frames the first one.

    Transparent parts become white. Integers of more than 8 bits are scaled from the range of their type to 0 to 255, so
    all files of a type are scaled in the same way. A JPEG much larger than `image.size` is decoded at a reduced scale,
    at least twice that size. Resizing is bilinear with antialiasing; an image that already has the size keeps its
    pixels.

    Args:
        file: the file; or its content, whose `repr` names it in messages.
        image: size, colour mode and resizing of the result.
        max_pixels: the limit, width times height; None if `validate` has checked the file.

    Returns:
        uint8, (size, size, 3) for rgb and (size, size, 1) for grayscale.

    Raises:
        TransferlineError: the file cannot be read as an image, has more pixels than the limit, or has floating-point
            pixels, whose range is unknown.
    """
    sized = _resize(open_upright(file, image.size, image.color, max_pixels), image)
    return np.asarray(sized).reshape(image.size, image.size, -1)


def read_pixels(pixels: Pixels, image: params.Image) -> Pixels:
    """Returns pixels in memory, (height, width) or (height, width, 3) uint8, as `read_image` reads them from a file."""
    sized = _resize(_to_color(Image.fromarray(pixels), image.color), image)
    return np.asarray(sized).reshape(image.size, image.size, -1)


def open_upright(
    file: Path | BytesIO,
    size: int,
    color: Literal["rgb", "grayscale"],
    max_pixels: int | None = params.MAX_PIXELS,
) -> Image.Image:
    """Returns the picture that `read_image` resizes, in the file's size; a large JPEG has at least twice `size`.

    Raises:
        TransferlineError: see `read_image`.
    """
    try:
        content = file.read() if isinstance(file, BytesIO) else file.read_bytes()
        with open_picture(content, str(file), max_pixels) as opened:
            opened.draft(None, (2 * size, 2 * size))
            return _to_color(to_upright(opened), color)
    except Exception as error:  # Pillow's decoders raise many kinds of exceptions for a broken file
        raise TransferlineError(f"{file} cannot be read as an image: {reason_of(error)}") from error


def open_picture(content: bytes, name: str, max_pixels: int | None) -> ImageFile:
    """Opens an image and checks its number of pixels, before its pixels are decoded. All images are opened here.

    Pillow's own limit is not used, as that of TIFF and WebP cannot be changed without changing it for the whole
    process: of them, Pillow reads at most 178,956,970 pixels.

    Args:
        content: the bytes of the file.
        name: its path or name.
        max_pixels: the limit, width times height; None for no limit.

    Raises:
        TooManyPixelsError: the image has more pixels.
        Exception: the content is no image that is read, or is broken. Pillow has many kinds of exceptions for that.
    """
    found = recognize(content, name)
    if found is None:
        raise ValueError("its content is not an image's")
    if found.opens is None:
        raise ValueError(found.why_not_read)
    try:
        opened = found.opens(BytesIO(without_texts(content)))
        width, height = opened.size
        if max_pixels is not None and width * height > max_pixels:
            raise TooManyPixelsError(
                f"{width} × {height} = {width * height:,} pixels, more than validate.max_pixels = {max_pixels:,}"
            )
    except Image.DecompressionBombError as error:
        raise TooManyPixelsError(str(error)) from error
    return opened


def to_upright(opened: ImageFile) -> Image.Image:
    """Decodes an image that `open_picture` has opened: all that reads images sees these pixels.

    Returns:
        The picture with mode L or RGB: upright by its EXIF orientation, transparent parts white, 8 bits.

    Raises:
        TooManyPixelsError: see `open_picture`.
        Exception: the image is broken.
    """
    try:
        opened.load()
    except Image.DecompressionBombError as error:
        raise TooManyPixelsError(f"it is a {opened.format}: {error}") from error
    if opened.mode == "P" and not opened.getpalette():
        raise ValueError("its palette is missing")
    picture = to_8_bits(opened, opened)
    orientation = orientation_of(opened)
    if orientation in TURNS:
        picture = picture.transpose(TURNS[orientation])
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    mode = "L" if picture.mode in ("1", "L") else "RGB"
    return picture if picture.mode == mode else picture.convert(mode)


def orientation_of(opened: ImageFile) -> int:
    """Returns the EXIF orientation of a decoded image, 1 to 8; 1 if there is none, or Pillow has turned it already."""
    try:
        orientation = opened.getexif().get(Base.Orientation)
    except Exception:  # broken EXIF does not make an image unreadable
        return 1
    return orientation if orientation in TURNS else 1


def _to_color(picture: Image.Image, color: Literal["rgb", "grayscale"]) -> Image.Image:
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
    read = partial(read_image, image=image, max_pixels=None)
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
