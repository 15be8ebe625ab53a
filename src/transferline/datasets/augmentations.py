"""The augmentations: functions that change an image with the parameters of a view.

Each augmentation is one function, and they are applied in the order of this file. The geometric ones come first. They
are combined into one matrix, which is also applied to masks. Those that change colours come next. The range, default
and explanation of an augmentation are in the field of `params.Augment` with the same name.
"""

from collections.abc import Callable

import cv2
import numpy as np

from transferline.arrays import Float32s, Floats

Cell = Floats | float  # (n,), or one value for all views
Matrix = tuple[tuple[Cell, Cell, Cell], tuple[Cell, Cell, Cell]]
# A function that takes the values of n views and the width and height of the image. It returns the 2×3 matrices that
# map a position in the image to its position in the view, in pixels to the right of and below the centre.
Geometry = Callable[[Floats, tuple[int, int]], Matrix]
# A function that takes an image (height, width, channels), 0 to 255, and a value, and returns an image. It may
# overwrite its input.
Colour = Callable[[Float32s, float], Float32s]

GEOMETRY: dict[str, Geometry] = {}  # `_geometry` fills it
COLOURS: dict[str, Colour] = {}  # `_colour` fills it
NEUTRAL: dict[str, float] = {}  # the value that leaves the image unchanged; `_geometry` and `_colour` fill it


def _geometry(neutral: float) -> Callable[[Geometry], Geometry]:
    """Returns a decorator that adds a function to the table of geometric augmentations, under its own name."""

    def add(function: Geometry) -> Geometry:
        GEOMETRY[function.__name__], NEUTRAL[function.__name__] = function, neutral
        return function

    return add


def _colour(neutral: float) -> Callable[[Colour], Colour]:
    """Returns a decorator that adds a function to the table of colour augmentations, under its own name."""

    def add(function: Colour) -> Colour:
        COLOURS[function.__name__], NEUTRAL[function.__name__] = function, neutral
        return function

    return add


@_geometry(neutral=0.0)
def rotation(degrees: Floats, size: tuple[int, int]) -> Matrix:
    """Rotates the image, counter-clockwise for positive values. 90 gives the same image as `np.rot90`."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return (cosine, sine, 0.0), (-sine, cosine, 0.0)


@_geometry(neutral=1.0)
def zoom(factor: Floats, size: tuple[int, int]) -> Matrix:
    """Scales the content; values above 1 enlarge it."""
    return (factor, 0.0, 0.0), (0.0, factor, 0.0)


@_geometry(neutral=0.0)
def shear(degrees: Floats, size: tuple[int, int]) -> Matrix:
    """Shears the image: vertical lines lean to the right for positive values."""
    return (1.0, -np.tan(np.deg2rad(degrees)), 0.0), (0.0, 1.0, 0.0)


@_geometry(neutral=0.0)
def shift_x(share: Floats, size: tuple[int, int]) -> Matrix:
    """Shifts the image to the right, by a share of the width."""
    return (1.0, 0.0, share * size[0]), (0.0, 1.0, 0.0)


@_geometry(neutral=0.0)
def shift_y(share: Floats, size: tuple[int, int]) -> Matrix:
    """Shifts the image down, by a share of the height."""
    return (1.0, 0.0, 0.0), (0.0, 1.0, share * size[1])


@_colour(neutral=0.0)
def hue(image: Float32s, degrees: float) -> Float32s:
    """Shifts the hue by an angle in degrees. Positive values shift red towards green. A grey image does not change."""
    if image.shape[2] == 1:
        return image
    drawn = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    drawn[..., 0] = (drawn[..., 0] + degrees) % 360
    return np.asarray(cv2.cvtColor(drawn, cv2.COLOR_HSV2RGB), np.float32)


@_colour(neutral=1.0)
def contrast(image: Float32s, factor: float) -> Float32s:
    """Scales the difference of each pixel from the image's mean."""
    mean = image.mean(dtype=np.float32)
    image *= factor
    image += mean * (1 - factor)
    return image


@_colour(neutral=0.0)
def brightness(image: Float32s, share: float) -> Float32s:
    """Adds `share` times 255 to each pixel."""
    image += 255 * share
    return image
