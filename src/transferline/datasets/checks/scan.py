"""Reads every file of a dataset once and records its properties."""

import hashlib
import io
import math
import os
import stat
import warnings
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from PIL import Image, ImageOps, UnidentifiedImageError

from transferline.arrays import Float32s
from transferline.compute import run_shards
from transferline.datasets.file_names import FORMAT_OF_SUFFIX, is_hidden
from transferline.datasets.images import to_8_bits
from transferline.params import Compute, Format

READABLE = get_args(Format)
RECOGNIZED = (*READABLE, "AVIF", "ICO", "JPEG2000", "PSD")  # the last four are recognized, but not decoded
ORIENTATION = 0x0112
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


def scan(raw: Path, paths: Sequence[str], compute: Compute | None = None) -> pd.DataFrame:
    """Reads the files `raw / path` on all cores, or as `compute` says. Hidden files get a row but are not opened.

    Returns:
        One row per path, with null where a column does not apply: `sha256` of the content, `bytes`, `format` of the
        content (Pillow's name), `width` and `height` of the upright image, `mode` (Pillow's), EXIF `orientation` (1 to
        8), `error`, whose first word is unreadable, undecodable, truncated or too_large, `luminance_mean` and
        `luminance_std` (0 to 255; of a large JPEG at a reduced scale of at least 128 pixels), `phash` (64 hexadecimal
        digits).
    """
    shards = [paths[start : start + FILES_PER_SHARD] for start in range(0, max(len(paths), 1), FILES_PER_SHARD)]
    what = f"images read, in shards of {FILES_PER_SHARD}"
    tables = run_shards(partial(_scan_shard, raw), shards, compute, what, in_processes=True)
    return pd.concat(tables, ignore_index=True)


def _scan_shard(raw: Path, paths: Sequence[str]) -> pd.DataFrame:
    Image.init()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        rows = [_look_at(raw, path) for path in paths]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _look_at(raw: Path, path: str) -> dict[str, Any]:
    if is_hidden(path):
        return {"path": path}
    try:
        content = _read(os.path.join(raw, path))  # noqa: PTH118 (a Path costs more than reading a small file)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        return {"path": path, "error": f"unreadable: {getattr(error, 'strerror', None) or error}"}
    row = {"path": path, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    try:
        _decode(content, row)
    except UnidentifiedImageError:
        has_image_suffix = Path(path).suffix.lower() in FORMAT_OF_SUFFIX
        row["error"] = "undecodable: not an image by its content" if has_image_suffix and content else None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        row["error"] = f"too_large: {error}"
    except Exception as error:  # Pillow's decoders raise many kinds of exceptions for a broken file
        row["error"] = f"{'truncated' if 'truncated' in str(error).lower() else 'undecodable'}: {error}"
    return row


def _read(path: str) -> bytes:
    kind = os.stat(path).st_mode  # noqa: PTH116
    if stat.S_ISDIR(kind):
        raise IsADirectoryError("a folder that cannot be listed, or a link to a folder, which is not followed")
    if not stat.S_ISREG(kind):
        raise OSError("not a regular file")
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def _decode(content: bytes, row: dict[str, Any]) -> None:
    """Adds the properties of the image to `row`. After an error `row` holds those that could be read."""
    with Image.open(io.BytesIO(content), formats=RECOGNIZED) as image:
        orientation = image.getexif().get(ORIENTATION)
        turned = orientation in (5, 6, 7, 8) and image.format != "TIFF"  # Pillow turns TIFFs itself
        row["width"], row["height"] = image.size[::-1] if turned else image.size
        row["format"] = "JPEG" if image.format == "MPO" else image.format  # MPO: a JPEG with more pictures after it
        row["mode"], row["orientation"] = image.mode, orientation if orientation in range(1, 9) else None
        if row["format"] in READABLE:
            drafted = image.draft("L", (2 * SIDE, 2 * SIDE))
            exact = drafted[1][2:] if drafted else None
            upright = ImageOps.exif_transpose(image) if orientation else image
            luminance = to_8_bits(upright, image)
            luminance = luminance if luminance.mode == "L" else luminance.convert("L")
            row["luminance_mean"], row["luminance_std"] = _mean_and_deviation(luminance)
            row["phash"] = perceptual_hash(luminance, exact[::-1] if exact and turned else exact)


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
