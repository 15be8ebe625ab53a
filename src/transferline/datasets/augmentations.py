"""The augmentations: what the parameters of a view do to its image.

An augmentation is one function here, in the order in which they are applied: first the geometric ones, which become one
matrix and are also applied to masks, then those that change colours. Its range, default and explanation are the field
of the same name in `params.Augment`.
"""

from collections.abc import Callable

import cv2
import numpy as np

from transferline.arrays import Float32s, Floats

Cell = Floats | float  # (n,), or the same for all views
Matrix = tuple[tuple[Cell, Cell, Cell], tuple[Cell, Cell, Cell]]
# from the values of n views and the width and height of the image, to the 2×3 matrices that say where a place of the
# image goes, in pixels to the right and down from the centre
Geometry = Callable[[Floats, tuple[int, int]], Matrix]
# from an image (height, width, channels), 0 to 255, which it may overwrite, and a value, to an image
Colour = Callable[[Float32s, float], Float32s]

GEOMETRY: dict[str, Geometry] = {}  # `_geometry` fills it
COLOURS: dict[str, Colour] = {}  # `_colour` fills it
NEUTRAL: dict[str, float] = {}  # the value that leaves the image as it is; both fill it


def _geometry(neutral: float) -> Callable[[Geometry], Geometry]:
    """Adds a function to the table of geometric augmentations, under its own name."""

    def add(function: Geometry) -> Geometry:
        GEOMETRY[function.__name__], NEUTRAL[function.__name__] = function, neutral
        return function

    return add


def _colour(neutral: float) -> Callable[[Colour], Colour]:
    """Adds a function to the table of augmentations that change colours, under its own name."""

    def add(function: Colour) -> Colour:
        COLOURS[function.__name__], NEUTRAL[function.__name__] = function, neutral
        return function

    return add


@_geometry(neutral=0.0)
def rotation(degrees: Floats, size: tuple[int, int]) -> Matrix:
    """Turns counter-clockwise where positive; 90 is `np.rot90`."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return (cosine, sine, 0.0), (-sine, cosine, 0.0)


@_geometry(neutral=1.0)
def zoom(factor: Floats, size: tuple[int, int]) -> Matrix:
    """Scales the content: closer above 1."""
    return (factor, 0.0, 0.0), (0.0, factor, 0.0)


@_geometry(neutral=0.0)
def shear(degrees: Floats, size: tuple[int, int]) -> Matrix:
    """Leans uprights, to the right where positive."""
    return (1.0, -np.tan(np.deg2rad(degrees)), 0.0), (0.0, 1.0, 0.0)


@_geometry(neutral=0.0)
def shift_x(share: Floats, size: tuple[int, int]) -> Matrix:
    """Moves to the right, by a share of the width."""
    return (1.0, 0.0, share * size[0]), (0.0, 1.0, 0.0)


@_geometry(neutral=0.0)
def shift_y(share: Floats, size: tuple[int, int]) -> Matrix:
    """Moves down, by a share of the height."""
    return (1.0, 0.0, 0.0), (0.0, 1.0, share * size[1])


@_colour(neutral=0.0)
def hue(image: Float32s, degrees: float) -> Float32s:
    """Turns the hue, from red to green where positive; a grey image has none."""
    if image.shape[2] == 1:
        return image
    drawn = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    drawn[..., 0] = (drawn[..., 0] + degrees) % 360
    return np.asarray(cv2.cvtColor(drawn, cv2.COLOR_HSV2RGB), np.float32)


@_colour(neutral=1.0)
def contrast(image: Float32s, factor: float) -> Float32s:
    """Scales the distance from the mean of the drawn image."""
    mean = image.mean(dtype=np.float32)
    image *= factor
    image += mean * (1 - factor)
    return image


@_colour(neutral=0.0)
def brightness(image: Float32s, share: float) -> Float32s:
    """Adds a share of 255."""
    image += 255 * share
    return image
