"""Corruptions of images, each tested alone."""

from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from transferline.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from transferline.params import Corruption


def photographs(channels: int, side: int = 48, count: int = 4) -> np.ndarray:
    """Soft spots of all sizes, of medium brightness."""
    noise = np.random.default_rng(0).normal(size=(count, side, side, channels))
    spots = sum(width * gaussian_filter(noise, (0, width, width, 0), mode="wrap") for width in (1, 2, 4, 8))
    return np.clip(120 + 15 * spots, 0, 255).astype(np.uint8)


def test_params_may_name_every_corruption_and_no_other() -> None:
    assert tuple(CORRUPTIONS) == get_args(Corruption)
    assert {len(levels) for _, levels in CORRUPTIONS.values()} == {len(SEVERITIES)}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_distortion_grows_with_the_severity(name: str, channels: int) -> None:
    images = photographs(channels)
    corrupted = [corrupt(images, name, severity, 7) for severity in SEVERITIES]
    assert {(one.shape, one.dtype) for one in corrupted} == {(images.shape, images.dtype)}
    distances = [np.abs(one.astype(float) - images).mean() for one in corrupted]
    assert distances[0] > 0.2
    assert all(low < high for low, high in pairwise(distances)), distances


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_what_is_random_depends_on_the_seed_and_the_image_alone(name: str) -> None:
    images = photographs(3)
    together, again = (corrupt(images, name, 3, 7) for _ in range(2))
    alone = np.concatenate([corrupt(image[None], name, 3, 7) for image in images[::-1]])
    assert (together == again).all() and (together == alone[::-1]).all()
    is_random = name in ("gaussian_noise", "shot_noise", "motion_blur", "rotation", "occlusion", "fog")
    assert any((together != corrupt(images, name, 3, seed)).any() for seed in range(5)) is is_random


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_tiny_images_keep_their_size(name: str) -> None:
    image = photographs(1, side=4)
    assert corrupt(image, name, 1, 0).shape == corrupt(image, name, 5, 0).shape == image.shape


def test_known_values() -> None:
    grey = np.full((1, 20, 20, 3), 100, np.uint8)
    assert (corrupt(grey, "brightness", 5, 0) == 228).all() and (corrupt(grey, "darkness", 2, 0) == 50).all()
    for name in ("blur", "motion_blur", "contrast", "pixelate", "rotation"):
        assert (corrupt(grey, name, 5, 0) == 100).all(), name
    assert (corrupt(grey, "occlusion", 3, 0) == 127).mean() == pytest.approx(0.2, abs=0.02)
    foggy = corrupt(grey, "fog", 3, 0)
    assert 132 <= foggy.min() < 140 and 157 < foggy.max() <= 165  # 25 to 50 % of the way to 230
    noise = corrupt(np.full((1, 100, 100, 1), 128, np.uint8), "gaussian_noise", 2, 0)
    assert noise.std() == pytest.approx(0.08 * 255, rel=0.05) and noise.mean() == pytest.approx(128, abs=1)
    shot = corrupt(np.full((1, 100, 100, 1), 128, np.uint8), "shot_noise", 2, 0)
    assert shot.std() == pytest.approx(255 / 40 * np.sqrt(40 * 128 / 255), rel=0.05)
