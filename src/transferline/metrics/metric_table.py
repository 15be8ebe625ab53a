"""Tables of metrics: one table for classification, multilabel and segmentation each, with one function per metric.

The decorators `@metric(TABLE)` and `@share(TABLE)` add a function to a table under its own name. Each metric of a table
is computed for every set of images, with its confidence interval. It is recorded, and `select.metric` can name it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transferline.arrays import Flags
from transferline.metrics.resampling import Figure, mean_of, with_intervals
from transferline.params import Evaluate


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        figure: takes the images with truth and predictions, such as `LabelledImages`, and returns a `Figure`: the
            metric as a function of the images' weights (see `resampling`).
        is_loss: whether the lowest value is the best, not the highest.
        flags: for a metric that is a share of images: takes the same images and returns for each whether it counts,
            (n,) bool. None for other metrics.
    """

    figure: Callable[[Any], Figure]
    is_loss: bool = False
    flags: Callable[[Any], Flags] | None = None


MetricTable = dict[str, Metric]
MetricFunction = Callable[[Any], Figure]
ShareFunction = Callable[[Any], Flags]


def metric(table: MetricTable, is_loss: bool = False) -> Callable[[MetricFunction], MetricFunction]:
    """Returns a decorator that adds a function to the table. The function returns a `Figure`; see `Metric`."""

    def add(function: MetricFunction) -> MetricFunction:
        table[function.__name__] = Metric(function, is_loss)
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


def metrics_with_intervals(table: MetricTable, images: Any, params: Evaluate) -> dict[str, float | None]:
    """Computes each metric of one image or more, with its confidence interval as `<name>_low` and `<name>_high`.

    The interval of a share comes from `share_with_interval`, that of other metrics from a bootstrap. A metric that is
    not defined is None.
    """
    shares = {name: one.flags(images) for name, one in table.items() if one.flags}
    others = {name: one.figure(images) for name, one in table.items() if not one.flags}
    values: dict[str, float | None] = {}
    for name, flags in shares.items():
        values |= share_with_interval(name, flags, params)
    return values | with_intervals(others, images.groups, params)


def share_with_interval(name: str, flags: Flags, params: Evaluate) -> dict[str, float]:
    """Computes a share of images, such as the accuracy, with its Wilson interval.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference, Journal of the American Statistical
    Association 22, 1927. Unlike a bootstrap interval it has a width above 0 if all images count, or none.

    Args:
        name: the name of the metric.
        flags: (n,) bool, whether each image counts, n ≥ 1.
        params: `confidence` is the level of the interval.

    Returns:
        `name`, `name_low` and `name_high`, 0 to 1.
    """
    from scipy.stats import binomtest

    interval: Any = binomtest(int(flags.sum()), len(flags)).proportion_ci(params.confidence, method="wilson")
    return {name: float(flags.mean()), f"{name}_low": float(interval.low), f"{name}_high": float(interval.high)}
