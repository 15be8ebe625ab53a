"""The size of a dataset's photographs, from the headers of some of them."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from transferline.datasets.images import open_picture

SAMPLES = 200


def median_side(folder: Path, images: Sequence[str]) -> int | None:
    """Returns the median of the images' longer sides, in pixels.

    It opens at most `SAMPLES` images, at equal distances in the list, and leaves out those that cannot be opened. None:
    no image can be opened.

    Args:
        folder: of the dataset.
        images: paths relative to the folder.
    """
    sides = [_longer_side(folder / path) for path in images[:: -(-len(images) // SAMPLES) or 1]]
    return round(statistics.median(found)) if (found := [side for side in sides if side]) else None


def _longer_side(path: Path) -> int | None:
    try:
        with open_picture(path.read_bytes(), str(path), None) as opened:
            return max(opened.size)
    except Exception:  # Pillow's decoders raise many kinds of exceptions for a broken file
        return None
