"""The metrics of a segmentation model. Each function takes `SegmentedImages`."""

from collections.abc import Callable
from dataclasses import dataclass

from transferline.arrays import Counts, Floats
from transferline.metrics import pixel_confusion
from transferline.metrics.metric_table import MetricTable, metric
from transferline.metrics.resampling import Figure, mean_of

SEGMENTATION: MetricTable = {}


@dataclass(frozen=True)
class SegmentedImages:
    """Counts and sums over the pixels of each image, from which metrics are computed.

    Attributes:
        confusion: (n, classes, classes + 1), n ≥ 1, see `pixel_confusion`.
        pixels: (n,) the number of pixels that have a class.
        losses: (n,) the sum of -ln(probability of the true class) over these pixels, in nats.
        outlines: (n,) the boundary F1 score, see `outlines.boundary_f`.
        groups: (n,) the number of each image's group, from 0 without gaps; see `draw_weights`.
    """

    confusion: Floats
    pixels: Floats
    losses: Floats
    outlines: Floats
    groups: Counts

    def __len__(self) -> int:
        """The number of images."""
        return len(self.confusion)


@metric(SEGMENTATION)
def mean_iou(images: SegmentedImages) -> Figure:
    """The mean over the classes of the intersection over union, from the pixels of all images together."""
    return of_confusion(images, pixel_confusion.mean_iou)


@metric(SEGMENTATION)
def pixel_accuracy(images: SegmentedImages) -> Figure:
    """The share of all images' pixels that are predicted correctly."""
    return of_confusion(images, pixel_confusion.pixel_accuracy)


@metric(SEGMENTATION)
def boundary_f(images: SegmentedImages) -> Figure:
    """The mean boundary F1 score over the images; see `outlines.boundary_f`."""
    return mean_of(images.outlines)


@metric(SEGMENTATION, is_loss=True, is_bounded=False)
def log_loss(images: SegmentedImages) -> Figure:
    """The mean over the pixels of -ln(probability of the true class), in nats."""
    return lambda weights: weights @ images.losses / (weights @ images.pixels).clip(1)


def of_confusion(images: SegmentedImages, figure: Callable[[Floats], Floats]) -> Figure:
    """Returns a metric of the summed confusion matrices, as a function of the images' weights (see `resampling`)."""
    shape = images.confusion.shape
    matrices = images.confusion.reshape(shape[0], -1)
    return lambda weights: figure((weights @ matrices).reshape(len(weights), *shape[1:]))
