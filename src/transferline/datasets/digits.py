"""The embedded dataset: scikit-learn's handwritten digits as image files."""

from pathlib import Path

import numpy as np
from PIL import Image

SCALE = 16  # the largest value of a pixel in the original


def write_digits(target: Path) -> None:
    """Writes 1,797 greyscale PNGs of 8 x 8 pixels, `target/<digit>/<index>.png`, with 0 to 16 scaled to 0 to 255.

    The files are not compressed, so that their bytes do not depend on the version of zlib.

    Source: the test part of "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI Machine
    Learning Repository, 1998, doi 10.24432/C50P49.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = ((images * 255 + SCALE / 2) // SCALE).astype(np.uint8).reshape(-1, 8, 8)
    for index, (picture, label) in enumerate(zip(pixels, labels, strict=True)):
        folder = target / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{index:04}.png", compress_level=0)
