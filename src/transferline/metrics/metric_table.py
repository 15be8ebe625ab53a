"""Tables of metrics: one table for classification, multilabel and segmentation each, with one function per metric.

The decorators `@metric(TABLE)` and `@share(TABLE)` add a function to a table under its own name. Each metric of a table
is computed for every set of images, with its confidence interval. It is recorded, and `select.metric` can name it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transferline.arrays import Flags
from transferline.metrics.intervals import Values, share_with_interval, with_intervals
from transferline.metrics.resampling import Figure, mean_of
from transferline.params import Evaluate


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        figure: takes the images with truth and predictions, such as `LabelledImages`, and returns a `Figure`: the
            metric as a function of the images' weights (see `resampling`).
        is_loss: whether the lowest value is the best, not the highest.
        is_bounded: whether its values are from 0 to 1.
        flags: for a metric that is a share of images: takes the same images and returns for each whether it counts,
            (n,) bool. None for other metrics.
    """

    figure: Callable[[Any], Figure]
    is_loss: bool = False
    is_bounded: bool = True
    flags: Callable[[Any], Flags] | None = None


MetricTable = dict[str, Metric]
MetricFunction = Callable[[Any], Figure]
ShareFunction = Callable[[Any], Flags]


def metric(
    table: MetricTable, is_loss: bool = False, is_bounded: bool = True
) -> Callable[[MetricFunction], MetricFunction]:
    """Returns a decorator that adds a function to the table. The function returns a `Figure`; see `Metric`."""

    def add(function: MetricFunction) -> MetricFunction:
        table[function.__name__] = Metric(function, is_loss, is_bounded)
        return function

    return add


def share(table: MetricTable) -> Callable[[ShareFunction], ShareFunction]:
    """Returns a decorator that adds a function to the table. The function returns for each image whether it counts.

    The metric is the share of images that count; the highest value is the best.
    """

    def add(function: ShareFunction) -> ShareFunction:
        table[function.__name__] = Metric(lambda images: mean_of(function(images)), flags=function)
        return function

    return add


def metrics_with_intervals(table: MetricTable, images: Any, params: Evaluate) -> Values:
    """Computes each metric of one image or more, with its confidence interval as `<name>_low` and `<name>_high`.

    The interval of a share comes from `share_with_interval`, that of other metrics from `with_intervals`. A metric that
    is not defined is None.
    """
    shares = {name: one.flags(images) for name, one in table.items() if one.flags}
    others = {name: one.figure(images) for name, one in table.items() if not one.flags}
    bounded = {name for name, one in table.items() if one.is_bounded}
    values: Values = {}
    for name, flags in shares.items():
        values |= share_with_interval(name, flags, images.groups, params.confidence)
    return values | with_intervals(others, images.groups, params, bounded)
