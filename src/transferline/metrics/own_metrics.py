"""The user's own metrics, from `own_metrics/`. The docstring of that package lists the requirements."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from transferline.arrays import Floats
from transferline.errors import TransferlineError
from transferline.metrics.labelled_images import LabelledImages
from transferline.metrics.metric_table import Metric, MetricTable
from transferline.metrics.resampling import Figure
from transferline.own_code import file_of, own_function
from transferline.params import OwnMetric


def own_metric_table(listed: tuple[OwnMetric, ...]) -> MetricTable:
    """Returns the listed metrics, by the names of their functions."""
    return {one.name: Metric(partial(_figure, one.function), one.best == "lowest", is_bounded=False) for one in listed}


def _figure(name: str, images: LabelledImages) -> Figure:
    return partial(_of_resamples, name, own_function(name), images)


def _of_resamples(name: str, function: Callable[..., Any], images: LabelledImages, weights: Floats) -> Floats:
    """Computes the metric of each resample, (resamples,). An image appears as often as it is drawn."""
    drawn = [np.repeat(np.arange(len(images)), times.astype(int)) for times in weights]
    return np.array(
        [_number(name, function(images.truth[rows], images.probabilities[rows], images.classes)) for rows in drawn]
    )


def _number(name: str, value: object) -> float:
    if not isinstance(value, int | float | np.number):
        raise TransferlineError(f"{name} in {file_of(name)} returned {type(value).__name__}; it must return a number")
    return float(value)
