"""The agreement between the outlines of a predicted mask and those of the true mask."""

import numpy as np

from transferline.arrays import Flags, Mask
from transferline.datasets.mask_values import VOID

TOLERANCE = 0.0075  # of the image's diagonal


def boundary_f(truth: Mask, predicted: Mask, classes: int) -> float:
    """Computes the boundary F1 score of an image: the mean over the classes of the F1 of their outlines.

    The recall of a class is the share of its true outline that is near its predicted outline. The precision is the
    share of its predicted outline that is near its true outline. Near means a distance of at most 0.75% of the image's
    diagonal, or 1 pixel if that is more. A class without an outline in either mask is left out. Pixels that are void in
    the true mask are void in both masks; the border of a void region counts as outline.

    Csurka, Larlus and Perronnin, What is a good evaluation measure for semantic segmentation?, BMVC 2013.

    Args:
        truth: (height, width) uint8, the true class of each pixel.
        predicted: (height, width) uint8, the predicted class of each pixel.
        classes: the number of classes.

    Returns:
        0 to 1; 1 if neither mask has an outline.
    """
    predicted = np.where(truth < classes, predicted, VOID)
    reach = max(1, round(TOLERANCE * float(np.hypot(*truth.shape))))
    pairs = [(_outline(truth == one), _outline(predicted == one)) for one in range(classes)]
    values = [_agreement(one, other, reach) for one, other in pairs if one.any() or other.any()]
    return float(np.mean(values)) if values else 1.0


def _outline(region: Flags) -> Flags:
    """Returns the pixels of a region with a neighbour outside it. The image's border is not an outline."""
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
