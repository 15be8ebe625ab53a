"""Corruptions of images, at five severities. They imitate a worse camera, light or connection.

The idea to evaluate a classifier on corrupted test images is from Hendrycks and Dietterich (Benchmarking Neural Network
Robustness to Common Corruptions and Perturbations, ICLR 2019). The levels here are our own. Lengths are shares of the
image's side, so the levels fit images of any size.

Each corruption is one function. The decorator above it lists its level at each severity.
"""

from collections.abc import Callable
from io import BytesIO
from zlib import crc32

import numpy as np
from PIL import Image

from transferline.arrays import Floats, Pixels
from transferline.params import Corruption

SEVERITIES = (1, 2, 3, 4, 5)
GREY, LIGHT_GREY = 127, 230

Random = np.random.Generator
Change = Callable[[Pixels, float, Random], Pixels]
CORRUPTIONS: dict[str, tuple[Change, tuple[float, ...]]] = {}  # by name; `_corruption` fills it


def corrupt(images: Pixels, name: Corruption, severity: int, seed: int) -> Pixels:
    """Corrupts each image. The result for an image does not depend on the other images.

    The random numbers depend only on the seed and the image's pixels. They are the same at all severities.

    Args:
        images: (n, side, side, channels), channels 1 or 3.
        name: the corruption.
        severity: 1 to 5.
        seed: 0 or more.

    Returns:
        Images of the same shape.
    """
    change, levels = CORRUPTIONS[name]
    level = levels[severity - 1]
    return np.stack([change(image, level, random_of(image, seed)) for image in images])


def _corruption(*levels: float) -> Callable[[Change], Change]:
    """Returns a decorator that adds a function to the table, under its own name.

    `levels` are the values of the function's second argument at each severity. Also add the name of a new corruption to
    `params.Corruption`.
    """

    def add(change: Change) -> Change:
        CORRUPTIONS[change.__name__] = change, levels
        return change

    return add


def random_of(image: Pixels, seed: int) -> Random:
    """Returns a random generator for one image. It does not depend on the other images of the batch."""
    return np.random.default_rng([seed, crc32(image.tobytes())])


def _to_pixels(values: Floats) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _picture(image: Pixels) -> Image.Image:
    return Image.fromarray(np.squeeze(image, -1) if image.shape[-1] == 1 else image)


def _pixels(picture: Image.Image, like: Pixels) -> Pixels:
    return np.asarray(picture).reshape(like.shape)


@_corruption(0.04, 0.08, 0.12, 0.18, 0.26)
def gaussian_noise(image: Pixels, deviation: float, random: Random) -> Pixels:
    """Adds Gaussian noise; its standard deviation is `deviation` times 255."""
    return _to_pixels(image + random.normal(0, 255 * deviation, image.shape))


@_corruption(100, 40, 20, 10, 5)
def shot_noise(image: Pixels, photons: float, random: Random) -> Pixels:
    """Adds Poisson noise: the value 255 stands for `photons` photons on average, so fewer photons give more noise."""
    return _to_pixels(random.poisson(image / 255 * photons) / photons * 255)


@_corruption(0.01, 0.015, 0.02, 0.025, 0.03)
def blur(image: Pixels, deviation: float, random: Random) -> Pixels:
    """Blurs with a Gaussian filter; its standard deviation is `deviation` times the side."""
    from scipy.ndimage import gaussian_filter

    sigma = deviation * len(image)
    return _to_pixels(gaussian_filter(image.astype(np.float32), (sigma, sigma, 0), mode="nearest", truncate=3))


@_corruption(0.04, 0.08, 0.12, 0.16, 0.2)
def motion_blur(image: Pixels, length: float, random: Random) -> Pixels:
    """Averages along a line in a random direction, like a moving camera; its length is `length` times the side."""
    angle, side = random.uniform(0, np.pi), len(image)
    count = max(2, 1 + round(length * side))
    steps = np.arange(count) - count // 2
    padded = np.pad(image, ((count, count), (count, count), (0, 0)), mode="edge").astype(np.float32)
    rows, columns = (count + np.rint(steps * part).astype(int) for part in (np.sin(angle), np.cos(angle)))
    moved = [padded[row : row + side, column : column + side] for row, column in zip(rows, columns, strict=True)]
    return _to_pixels(np.mean(moved, axis=0))


@_corruption(0.1, 0.2, 0.3, 0.4, 0.5)
def brightness(image: Pixels, share: float, random: Random) -> Pixels:
    """Adds `share` times 255 to every channel; higher results become 255."""
    return _to_pixels(image + 255.0 * share)


@_corruption(0.7, 0.5, 0.35, 0.22, 0.12)
def darkness(image: Pixels, light: float, random: Random) -> Pixels:
    """Multiplies every channel by `light`."""
    return _to_pixels(image * light)


@_corruption(0.6, 0.45, 0.3, 0.2, 0.1)
def contrast(image: Pixels, share: float, random: Random) -> Pixels:
    """Multiplies each channel's difference from the image's mean by `share`."""
    mean = image.mean()
    return _to_pixels(mean + (image - mean) * share)


@_corruption(40, 25, 15, 10, 6)
def jpeg(image: Pixels, quality: float, random: Random) -> Pixels:
    """Saves the image as a JPEG of this quality, with half the colour resolution as usual, and reads it again."""
    file = BytesIO()
    _picture(image).save(file, "JPEG", quality=int(quality), subsampling="4:2:0")
    with Image.open(file) as picture:
        return _pixels(picture, image)


@_corruption(0.5, 0.35, 0.25, 0.18, 0.12)
def pixelate(image: Pixels, share: float, random: Random) -> Pixels:
    """Reduces the side to `share` of its length, then enlarges the image to its old size without smoothing."""
    picture, side = _picture(image), max(1, round(share * len(image)))
    small = picture.resize((side, side), Image.Resampling.BOX)
    return _pixels(small.resize(picture.size, Image.Resampling.NEAREST), image)


@_corruption(5, 10, 20, 30, 45)
def rotation(image: Pixels, degrees: float, random: Random) -> Pixels:
    """Rotates about the centre, left or right at random. The mirrored image fills the corners."""
    margin, side = -(-len(image) // 4), len(image)  # the corners reach 0.21 of the side beyond the border
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    turned = _picture(padded).rotate(degrees * random.choice((-1, 1)), Image.Resampling.BILINEAR)
    return _pixels(turned.crop((margin, margin, margin + side, margin + side)), image)


@_corruption(0.05, 0.1, 0.2, 0.3, 0.45)
def occlusion(image: Pixels, share: float, random: Random) -> Pixels:
    """Covers `share` of the area with a grey square in a random place."""
    side = max(1, round(np.sqrt(share) * len(image)))
    row, column = (random.random(2) * (len(image) - side + 1)).astype(int)
    covered = image.copy()
    covered[row : row + side, column : column + side] = GREY
    return covered


@_corruption(0.2, 0.35, 0.5, 0.65, 0.8)
def fog(image: Pixels, density: float, random: Random) -> Pixels:
    """Mixes the image with light grey. The share of grey varies over the image, between `density` / 2 and `density`."""
    patches = Image.fromarray(random.random((4, 4)).astype(np.float32))
    uneven = np.asarray(patches.resize(image.shape[1::-1], Image.Resampling.BILINEAR))[..., None]
    haze = density * (0.5 + 0.5 * uneven)
    return _to_pixels(image * (1 - haze) + LIGHT_GREY * haze)
