"""The picture of a heat map."""

import numpy as np

from transferline.insight.explanation_pictures import heat_picture


def test_the_colour_of_a_heat_picture_is_at_the_peak() -> None:
    grey = np.full((64, 64, 3), 100, np.uint8)
    heat = np.array([[-1, 0], [0, 3]], np.float32)
    shown = heat_picture(grey, heat)
    assert (shown[0, 0] == 100).all() and shown[60, 60, 0] > 200 > 100 > shown[60, 60, 2]
    assert (heat_picture(grey, -np.ones((2, 2), np.float32)) == 100).all()
