"""The metrics of a segmentation. Each takes `SegmentedImages`."""

from collections.abc import Callable
from dataclasses import dataclass

from transferline.arrays import Floats
from transferline.metrics import pixel_confusion
from transferline.metrics.metric_table import MetricTable, metric
from transferline.metrics.resampling import Figure, mean_of

SEGMENTATION: MetricTable = {}


@dataclass(frozen=True)
class SegmentedImages:
    """Images and what a model predicts for their pixels.

    Attributes:
        confusion: (n, classes, classes + 1), n ≥ 1, see `pixel_confusion`.
        pixels: (n,) how many have a class.
        losses: (n,) the sum over these of -ln(probability of the true class).
        outlines: (n,) see `boundary_f`.
    """

    confusion: Floats
    pixels: Floats
    losses: Floats
    outlines: Floats

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.confusion)


@metric(SEGMENTATION)
def mean_iou(images: SegmentedImages) -> Figure:
    """The mean intersection over union of the classes, of the pixels of all images together."""
    return of_confusion(images, pixel_confusion.mean_iou)


@metric(SEGMENTATION)
def pixel_accuracy(images: SegmentedImages) -> Figure:
    """The share of the pixels of all images together that are right."""
    return of_confusion(images, pixel_confusion.pixel_accuracy)


@metric(SEGMENTATION)
def boundary_f(images: SegmentedImages) -> Figure:
    """The mean over the images of how well the outlines agree; see `outlines.boundary_f`."""
    return mean_of(images.outlines)


@metric(SEGMENTATION, is_loss=True)
def log_loss(images: SegmentedImages) -> Figure:
    """The mean over the pixels of -ln(probability of the true class), in nats."""
    return lambda weights: weights @ images.losses / (weights @ images.pixels).clip(1)


def of_confusion(images: SegmentedImages, figure: Callable[[Floats], Floats]) -> Figure:
    """A figure of the confusion over all pixels, as a function of the images' weights (see `resampling`)."""
    shape = images.confusion.shape
    matrices = images.confusion.reshape(shape[0], -1)
    return lambda weights: figure((weights @ matrices).reshape(len(weights), *shape[1:]))
