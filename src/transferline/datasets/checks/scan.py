"""Reads every file of a dataset once and records its properties."""

import hashlib
import math
import os
import stat
import warnings
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from transferline.arrays import Float32s
from transferline.compute import run_shards
from transferline.datasets.file_formats import IMAGES_NOT_READ, recognize
from transferline.datasets.file_names import has_image_suffix, is_hidden
from transferline.datasets.images import TooManyPixelsError, open_picture, orientation_of, to_upright
from transferline.params import MAX_PIXELS, Compute
from transferline.text import reason_of

SIDE, LOW = 64, 16
VALUES = np.arange(256.0)
FILES_PER_SHARD = 256
COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("path", "sha256"), object),
    "bytes": "Int64",
    "format": object,
    **dict.fromkeys(("width", "height"), "Int64"),
    "mode": object,
    "orientation": "Int64",
    "error": object,
    **dict.fromkeys(("luminance_mean", "luminance_std"), "float64"),
    "phash": object,
}


def scan(raw: Path, paths: Sequence[str], compute: Compute | None = None, max_pixels: int = MAX_PIXELS) -> pd.DataFrame:
    """Reads the files `raw / path` on all cores, or as `compute` says. Hidden files get a row but are not opened.

    An image is read as for training: brightness and hash are those of the pixels that a model sees.

    Returns:
        One row per path, with null where a column does not apply: `sha256` of the content, `bytes`, `format` of the
        content, `width` and `height` of the upright image, `mode` (Pillow's), EXIF `orientation` (1 to 8), `error`,
        whose first word is unreadable, undecodable, truncated, too_large, format (an image whose format is not read)
        or other (not an image), `luminance_mean` and `luminance_std` (0 to 255; of a large JPEG at a reduced scale of
        at least 128 pixels), `phash` (64 hexadecimal digits).
    """
    shards = [paths[start : start + FILES_PER_SHARD] for start in range(0, max(len(paths), 1), FILES_PER_SHARD)]
    what = f"images read, in shards of {FILES_PER_SHARD}"
    tables = run_shards(partial(_scan_shard, raw, max_pixels), shards, compute, what, in_processes=True)
    return pd.concat(tables, ignore_index=True)


def _scan_shard(raw: Path, max_pixels: int, paths: Sequence[str]) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = [_look_at(raw, path, max_pixels) for path in paths]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _look_at(raw: Path, path: str, max_pixels: int) -> dict[str, Any]:
    if is_hidden(path):
        return {"path": path}
    try:
        content = _read(os.path.join(raw, path))  # noqa: PTH118 (a Path costs more than reading a small file)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        return {"path": path, "error": f"unreadable: {getattr(error, 'strerror', None) or error}"}
    row = {"path": path, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    try:
        _decode(content, row, max_pixels)
    except TooManyPixelsError as error:
        row["error"] = f"too_large: {error}"
    except Exception as error:  # Pillow's decoders raise many kinds of exceptions for a broken file
        row["error"] = _fault(content, path, "format" in row, reason_of(error))
    return row


def _fault(content: bytes, path: str, is_opened: bool, fault: str) -> str | None:
    """Returns the column `error` for a file that is not read, see `scan`; None for a file of an unknown kind."""
    found = recognize(content, path)
    if found in IMAGES_NOT_READ:
        return f"format: {fault}"
    if is_opened or (content and has_image_suffix(path)):
        return f"{'truncated' if 'truncated' in fault.lower() else 'undecodable'}: {fault}"
    return f"other: {fault}" if found and not found.opens else None


def _read(path: str) -> bytes:
    kind = os.stat(path).st_mode  # noqa: PTH116
    if stat.S_ISDIR(kind):
        raise IsADirectoryError("a folder that cannot be listed, or a link to a folder, which is not followed")
    if not stat.S_ISREG(kind):
        raise OSError("not a regular file")
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def _decode(content: bytes, row: dict[str, Any], max_pixels: int) -> None:
    """Adds the properties of the image to `row`. After an error `row` holds those that could be read."""
    with open_picture(content, row["path"], max_pixels) as opened:
        row["width"], row["height"] = opened.size
        row["format"], row["mode"] = opened.format, opened.mode
        drafted = opened.draft(None, (2 * SIDE, 2 * SIDE))
        exact = drafted[1][2:] if drafted else None
        luminance = to_upright(opened).convert("L")
        row["orientation"] = orientation_of(opened)
        if row["orientation"] >= 5:  # rows become columns
            row["width"], row["height"] = row["height"], row["width"]
            exact = exact[::-1] if exact else None
        row["luminance_mean"], row["luminance_std"] = _mean_and_deviation(luminance)
        row["phash"] = perceptual_hash(luminance, exact)


def _mean_and_deviation(luminance: Image.Image) -> tuple[float, float]:
    counts, pixels = np.array(luminance.histogram(), np.float64), luminance.width * luminance.height
    mean = float(counts @ VALUES) / pixels
    return mean, math.sqrt(counts @ (VALUES - mean) ** 2 / pixels)


def perceptual_hash(luminance: Image.Image, size: tuple[float, float] | None = None) -> str:
    """Computes a perceptual hash: whether each of the 256 lowest frequencies is above their median.

    Source: C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010, section 3.2.1. Here
    the hash has 16 × 16 frequencies instead of 8 × 8. They come from 64 to 127 mean values per side instead of 32.

    Args:
        luminance: an image of mode L.
        size: width and height before rounding, for an image that was decoded at a reduced scale.

    Returns:
        64 hexadecimal digits.
    """
    if min(luminance.size) < SIDE:  # a small image lacks the higher frequencies
        wide, high = (max(side, SIDE) for side in luminance.size)
        luminance, size = luminance.resize((wide, high), Image.Resampling.BILINEAR), None
    width, height = size or luminance.size
    across, down = (max(side // SIDE, 1) for side in luminance.size)
    means = np.asarray(luminance.reduce((across, down)), np.float32)
    spectrum = _cosines(height / down, len(means)) @ means @ _cosines(width / across, len(means[0])).T
    half = LOW * LOW // 2
    ordered = np.partition(spectrum.ravel(), (half - 1, half))  # np.median takes four times as long
    return np.packbits(spectrum > (ordered[half - 1] + ordered[half]) / 2).tobytes().hex()


@lru_cache(1024)
def _cosines(length: float, pixels: int) -> Float32s:
    """Returns the lowest frequencies of the cosine transform of a line, (LOW, pixels) float32.

    `length` is the exact length of the line in pixels. It is less than `pixels` if the last pixel is incomplete.
    """
    edges = np.minimum(np.arange(pixels + 1), length)
    waves = np.cos(np.outer(np.arange(LOW), edges[1:] + edges[:-1]) * (np.pi / 2 / length))
    cosines: Float32s = (waves * np.diff(edges)).astype(np.float32)
    return cosines
