"""Applies views to images: one affine transform, then changes of colour. It needs no TensorFlow."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import cv2
import numpy as np
import pandas as pd

from transferline.arrays import Array, Flags, Float32s, Floats, Mask, Positions
from transferline.datasets.augmentations import COLOURS, GEOMETRY, NEUTRAL, Colour, Matrix
from transferline.datasets.mask_values import VOID
from transferline.datasets.own_augmentations import own_colours
from transferline.datasets.views import FLIPS
from transferline.own_code import is_own

BORDERS = {"reflect": cv2.BORDER_REFLECT, "nearest": cv2.BORDER_REPLICATE, "constant": cv2.BORDER_CONSTANT}


def apply_views(images: Array, rows: pd.DataFrame) -> Float32s:
    """Computes one view of each image.

    It applies the flips, then the augmentations of `augmentations.py` in their order, then the user's own ones. At the
    end it clips the values to 0..255. Sampling is bilinear. The column `fill` defines the pixels outside the image:
    `reflect` mirrors the image including the edge pixel (NumPy's `symmetric`), `nearest` repeats the edge pixel, and
    `constant` is black.

    A view without changes has exactly the values of `images`. Flips, quarter turns of square images and shifts by whole
    pixels do not interpolate. A view is the same, bit for bit, whatever other views are in its batch.

    Args:
        images: (n, height, width, channels), channels 1 or 3, 0..255, of any integer or floating type.
        rows: n rows of a table of views, all with the same `fill`.

    Returns:
        float32, of the same shape, 0..255.
    """
    if _are_untouched(rows):
        return images.astype(np.float32)
    (fill,) = rows["fill"].unique()
    sources = source_matrices(rows, images.shape[1], images.shape[2])
    colours = COLOURS | own_colours(rows)
    values = rows[list(colours)].to_numpy(np.float64)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # OpenCV and NumPy release the GIL
        return np.stack(list(pool.map(partial(_draw, colours, fill), images, sources, values)))


def apply_views_to_masks(masks: Mask, rows: pd.DataFrame) -> Mask:
    """Computes one view of each mask: only flips and geometric augmentations, sampled by nearest neighbour.

    If `fill` is `constant`, pixels outside the mask are void.

    Args:
        masks: (n, height, width).
        rows: n rows of a table of views, all with the same `fill`.

    Returns:
        uint8, (n, height, width).
    """
    if _are_untouched(rows):
        return masks
    (fill,) = rows["fill"].unique()
    height, width = masks.shape[1:]
    sources = source_matrices(rows, height, width).astype(np.float64)
    column, row = np.arange(width), np.arange(height)[:, None]
    places = sources[..., 0, None, None] * column + sources[..., 1, None, None] * row + sources[..., 2, None, None]
    (x, in_x), (y, in_y) = _nearest(places[:, 0], width, fill), _nearest(places[:, 1], height, fill)
    drawn = masks[np.arange(len(masks))[:, None, None], y, x]
    return np.where(in_x & in_y, drawn, VOID).astype(np.uint8)


def _nearest(place: Floats, size: int, fill: str) -> tuple[Positions, Flags]:
    """Returns the index of the pixel at a position along one axis, and whether the position is inside the image."""
    number = np.floor(place + 0.5).astype(np.intp)
    inside = (number >= 0) & (number < size) if fill == "constant" else np.ones_like(number, bool)
    if fill == "reflect":
        number = np.where(number % (2 * size) < size, number % size, size - 1 - number % size)
    return number.clip(0, size - 1), inside


def _are_untouched(rows: pd.DataFrame) -> bool:
    is_neutral = rows[list(NEUTRAL)].to_numpy() == list(NEUTRAL.values())  # a comparison in pandas takes twice as long
    own = [name for name in rows if is_own(str(name))]
    return bool(is_neutral.all() and not rows[list(FLIPS)].to_numpy().any() and rows[own].isna().to_numpy().all())


def source_matrices(rows: pd.DataFrame, height: int, width: int) -> Float32s:
    """Returns for each row the 2×3 matrix that maps a pixel (x, y, 1) of the view to a position in the image.

    Values are rounded to 1e-9 before they become float32, so that quarter turns and shifts by whole pixels are exact.
    """
    flip_x, flip_y = (np.where(rows[name], -1.0, 1.0) for name in FLIPS)
    forward = _stack(((flip_x, 0.0, 0.0), (0.0, flip_y, 0.0)), len(rows))
    for name, geometry in GEOMETRY.items():
        forward = _stack(geometry(rows[name].to_numpy(np.float64), (width, height)), len(rows)) @ forward
    backward = np.linalg.inv(forward)[:, :2]
    centre = np.array([width - 1, height - 1]) / 2
    backward[:, :, 2] += centre - backward[:, :, :2] @ centre
    return backward.round(9).astype(np.float32)


def _stack(matrix: Matrix, count: int) -> Floats:
    """Returns 2×3 matrices as one array, (n, 3, 3), with the last row 0, 0, 1."""
    cells = [np.broadcast_to(cell, count) for row in (*matrix, (0.0, 0.0, 1.0)) for cell in row]
    return np.stack(cells, axis=1).reshape(count, 3, 3)


def _draw(colours: dict[str, Colour], fill: str, image: Array, source: Floats, values: Floats) -> Float32s:
    """Computes one view, (height, width, channels). `values` holds one value for each of `colours`."""
    (height, width, _), sampling = image.shape, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pixels = image.astype(np.float32)
    warped = cv2.warpAffine(pixels, source, (width, height), flags=sampling, borderMode=BORDERS[fill])
    drawn = np.asarray(warped, np.float32).reshape(image.shape)  # OpenCV drops the axis of a single channel
    for (name, change), value in zip(colours.items(), values.tolist(), strict=True):
        if np.isfinite(value) and value != NEUTRAL.get(name):
            drawn = change(drawn, value)
    return np.clip(drawn, 0, 255)
