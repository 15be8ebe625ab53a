"""Applies views to images: one projective transform, then colour. Needs no TensorFlow."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import cv2
import numpy as np
import pandas as pd

from transferline.arrays import Array, Flags, Float32s, Floats, Mask, Positions
from transferline.datasets.masks import VOID
from transferline.datasets.views import FLIPS, NEUTRAL

BORDERS = {"reflect": cv2.BORDER_REFLECT, "nearest": cv2.BORDER_REPLICATE, "constant": cv2.BORDER_CONSTANT}


def apply_views(images: Array, rows: pd.DataFrame) -> Float32s:
    """Draws one view of each image.

    About the centre of the image, in this order: flips; rotation, counter-clockwise where positive (90 is
    `np.rot90`); zoom, closer above 1; shear, whose positive angles lean uprights to the right; shift, to the right
    and down where positive. Sampled bilinearly; beyond the border `reflect` mirrors including the edge pixel
    (NumPy's `symmetric`), `nearest` repeats the edge, `constant` is black. Then contrast scales the distance from
    the mean of the drawn image, brightness adds, and the result is clipped to 0..255.

    The identity gives the very values of `images`; flips, quarter turns of square images and shifts by whole pixels
    move them exactly. A view does not depend on the others in its batch, bit for bit.

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
    gain, offset = (rows[key].to_numpy(np.float32) for key in ("contrast", "brightness"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # OpenCV and NumPy let several threads run
        drawn = pool.map(partial(_draw, fill=fill), images, sources, gain, 255 * offset)
        return np.stack(list(drawn))


def apply_views_to_masks(masks: Mask, rows: pd.DataFrame) -> Mask:
    """Draws one view of each mask: the geometry of `apply_views`, by nearest neighbour; void where `constant` is black.

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
    """The pixel at a place along one axis, and whether there is one."""
    number = np.floor(place + 0.5).astype(np.intp)
    inside = (number >= 0) & (number < size) if fill == "constant" else np.ones_like(number, bool)
    if fill == "reflect":
        number = np.where(number % (2 * size) < size, number % size, size - 1 - number % size)
    return number.clip(0, size - 1), inside


def _are_untouched(rows: pd.DataFrame) -> bool:
    is_neutral = rows[list(NEUTRAL)].to_numpy() == list(NEUTRAL.values())  # pandas takes twice as long
    return bool(is_neutral.all() and not rows[list(FLIPS)].to_numpy().any())


def source_matrices(rows: pd.DataFrame, height: int, width: int) -> Float32s:
    """For each row the 2×3 matrix that takes a pixel (x, y, 1) of the view to its place in the image, in pixels.

    It is rounded to 1e-9 before it becomes float32, so that a quarter turn and a shift by whole pixels hit pixels.
    """
    size = np.array([width, height])
    angle, shear = (np.deg2rad(rows[key].to_numpy(np.float64)) for key in ("rotation", "shear"))
    zoom, zero, one = rows["zoom"].to_numpy(np.float64), np.zeros(len(rows)), np.ones(len(rows))
    flip_x, flip_y = (np.where(rows[key], -1.0, 1.0) for key in FLIPS)
    flip = _stack([[flip_x, zero], [zero, flip_y]])
    turn = _stack([[zoom * np.cos(angle), zoom * np.sin(angle)], [-zoom * np.sin(angle), zoom * np.cos(angle)]])
    lean = _stack([[one, -np.tan(shear)], [zero, one]])
    backward = np.linalg.inv(lean @ turn @ flip)
    centre = (size - 1) / 2
    moved_centre = centre + rows[["shift_x", "shift_y"]].to_numpy(np.float64) * size
    offset = centre[:, None] - backward @ moved_centre[:, :, None]
    return np.concatenate([backward, offset], axis=2).round(9).astype(np.float32)


def _stack(matrix: list[list[Floats]]) -> Floats:
    return np.moveaxis(np.array(matrix), 2, 0)


def _draw(image: Array, source: Floats, gain: np.float32, offset: np.float32, fill: str) -> Float32s:
    """One view, (height, width, channels)."""
    (height, width, _), sampling = image.shape, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pixels = image.astype(np.float32)
    warped = cv2.warpAffine(pixels, source, (width, height), flags=sampling, borderMode=BORDERS[fill])
    drawn = np.asarray(warped, np.float32).reshape(image.shape)  # OpenCV leaves out the axis of a single channel
    mean = drawn.mean(dtype=np.float32)
    drawn *= gain
    drawn += mean * (1 - gain) + offset
    return np.clip(drawn, 0, 255, out=drawn)
