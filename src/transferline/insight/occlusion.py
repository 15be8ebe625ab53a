"""Occlusion maps: how much a prediction suffers if a square gets the mean colour. They work for every network.

Source: M. D. Zeiler and R. Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014.
"""

import numpy as np

from transferline.arrays import Float32s, Floats, Pixels
from transferline.models.lite import LiteModel

SQUARES = 4  # that fit side by side into an image; each is moved by half its side
LEAST = 1e-7  # a probability nearer to 0 or 1 counts as this near


def occlusion_maps(model: LiteModel, image: Pixels, classes: list[int]) -> Float32s:
    """Returns by how much the squares that cover a pixel lower the log-odds of some classes, on average.

    A square has the mean colour of the image.

    Args:
        model: an exported model that predicts labels.
        image: (size, size, channels) uint8.
        classes: the positions of the classes.

    Returns:
        (size, size, classes); positive where the image supports the class.
    """
    size = image.shape[0]
    side = max(size // SQUARES, 1)
    places = sorted({*range(0, size - side, max(side // 2, 1)), size - side})
    squares = [(slice(top, top + side), slice(left, left + side)) for top in places for left in places]
    changed = np.repeat(image[None], len(squares) + 1, axis=0)
    for number, square in enumerate(squares):
        changed[number, *square] = image.mean(axis=(0, 1)).round()
    odds = log_odds(model.probabilities(changed)[:, classes])
    total, count = np.zeros((size, size, len(classes)), np.float32), np.zeros((size, size, 1), np.float32)
    for square, lower in zip(squares, odds, strict=False):
        total[square] += odds[-1] - lower
        count[square] += 1
    return total / count


def log_odds(probabilities: Floats) -> Floats:
    """Returns the logarithm of p / (1 - p) for probabilities of any shape."""
    inside = np.clip(probabilities.astype(np.float64), LEAST, 1 - LEAST)
    odds: Floats = np.log(inside) - np.log1p(-inside)
    return odds
