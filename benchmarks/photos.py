"""The photographs that are measured on: copied from a folder, or made, as `train/<class>` and `validation/<class>`."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from transferline.datasets.file_formats import IMAGE_SUFFIXES

CLASSES = ("a", "b")
VALIDATION_SHARE = 0.3


def lay_out(data: Path | None, folder: Path, count: int) -> None:
    """Fills `folder` with `count` photographs; where `data` has fewer JPEGs, again from the first, a quarter turned.

    Which class and split an image gets follows from its number: speed does not depend on what is learnt.
    """
    paths = (
        [] if data is None else sorted(path for path in data.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES[:2])
    )
    random = np.random.default_rng(7)
    for number in range(count):
        split = "validation" if number % 10 < 10 * VALIDATION_SHARE else "train"
        target = folder / split / CLASSES[number // 10 % 2] / f"{number:05}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        turns, place = divmod(number, len(paths)) if paths else (0, 0)
        if turns:
            Image.open(paths[place]).rotate(90 * turns, expand=True).save(target, quality=90)
        else:
            target.write_bytes(paths[place].read_bytes() if paths else photograph(random))


def photograph(random: np.random.Generator, width: int = 288, height: int = 240) -> bytes:
    """A JPEG with detail at all scales, falling with frequency as in photographs, of about 20 KB."""
    pixels = np.zeros((height, width, 3))
    for side in (2, 4, 8, 16, 32, 64, 128):
        noise = Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8))
        pixels += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC), float) / side
    pixels = 255 * (pixels - pixels.min()) / (pixels.max() - pixels.min())
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()
