"""Metrics as functions in a table: one table for each way in which a problem is rated, one function for each metric.

A function that stands under `@metric(TABLE)` or `@share(TABLE)` is a metric by its own name: it is computed for every
set of images, with its interval, recorded, and can be named in `select.metric`.
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
        figure: from what images show and what a model predicts for them, in the form that the table's metrics take, to
            the metric as a function of the images' weights (see `resampling`).
        is_loss: whether the lowest value is the best, and not the highest.
        flags: of a share of images: from the same to whether each image counts, (n,); None of other metrics.
    """

    figure: Callable[[Any], Figure]
    is_loss: bool = False
    flags: Callable[[Any], Flags] | None = None


MetricTable = dict[str, Metric]
MetricFunction = Callable[[Any], Figure]
ShareFunction = Callable[[Any], Flags]


def metric(table: MetricTable, is_loss: bool = False) -> Callable[[MetricFunction], MetricFunction]:
    """Adds a function that returns a `Figure`; see `Metric`."""

    def add(function: MetricFunction) -> MetricFunction:
        table[function.__name__] = Metric(function, is_loss)
        return function

    return add


def share(table: MetricTable) -> Callable[[ShareFunction], ShareFunction]:
    """Adds a function that returns for each image whether it counts: the metric is their share, the highest best."""

    def add(function: ShareFunction) -> ShareFunction:
        table[function.__name__] = Metric(lambda images: mean_of(function(images)), flags=function)
        return function

    return add


def metrics_with_intervals(table: MetricTable, images: Any, params: Evaluate) -> dict[str, float | None]:
    """Each metric of at least one image, with its interval as `<name>_low` and `<name>_high`.

    The interval of a share is `share_with_interval`'s, of other metrics that of a bootstrap. None where a metric is not
    defined.
    """
    shares = {name: one.flags(images) for name, one in table.items() if one.flags}
    others = {name: one.figure(images) for name, one in table.items() if not one.flags}
    found: dict[str, float | None] = {}
    for name, flags in shares.items():
        found |= share_with_interval(name, flags, params)
    return found | with_intervals(others, len(images), params)


def share_with_interval(name: str, flags: Flags, params: Evaluate) -> dict[str, float]:
    """A share of images, such as the accuracy, with its interval (Wilson, Probable Inference, the Law of Succession,
    and Statistical Inference, Journal of the American Statistical Association 22, 1927).

    Unlike a bootstrap's it has a width where all images are right, or none.

    Args:
        name: of the metric.
        flags: (n,) whether the image counts, n ≥ 1.
        params: `confidence` of the interval.

    Returns:
        `name`, `name_low` and `name_high`, 0 to 1.
    """
    from scipy.stats import binomtest

    interval: Any = binomtest(int(flags.sum()), len(flags)).proportion_ci(params.confidence, method="wilson")
    return {name: float(flags.mean()), f"{name}_low": float(interval.low), f"{name}_high": float(interval.high)}
