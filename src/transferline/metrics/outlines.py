"""How well the outlines of a predicted mask agree with those of the true one."""

import numpy as np

from transferline.arrays import Flags, Mask
from transferline.datasets.masks import VOID

TOLERANCE = 0.0075  # of the image's diagonal


def boundary_f(truth: Mask, said: Mask, classes: int) -> float:
    """How well the outlines of an image's classes agree: the mean over the classes that either mask holds of the
    harmonic mean of two shares, that of the true outline near the said one, and the other way round.

    Csurka, Larlus and Perronnin, What is a good evaluation measure for semantic segmentation?, BMVC 2013; near is up to
    0.75% of the diagonal. Void pixels are void in both masks, and their edge counts as outline.

    Args:
        truth: (height, width).
        said: likewise.
        classes: their number.

    Returns:
        0 to 1; 1 where neither mask has an outline.
    """
    said = np.where(truth < classes, said, VOID)
    reach = max(1, round(TOLERANCE * float(np.hypot(*truth.shape))))
    pairs = [(_outline(truth == one), _outline(said == one)) for one in range(classes)]
    values = [_agreement(one, other, reach) for one, other in pairs if one.any() or other.any()]
    return float(np.mean(values)) if values else 1.0


def _outline(region: Flags) -> Flags:
    """The pixels of a region that have another one beside them; the image's border is no outline."""
    padded = np.pad(region, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return region & ~inner


def _agreement(one: Flags, other: Flags, reach: int) -> float:
    if not (one.any() and other.any()):
        return 0.0
    recall, precision = (_share_near(*pair, reach) for pair in ((one, other), (other, one)))
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def _share_near(outline: Flags, other: Flags, reach: int) -> float:
    from scipy.ndimage import distance_transform_edt

    return float((distance_transform_edt(~other)[outline] <= reach).mean())
