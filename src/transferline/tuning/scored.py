"""What the search of `tune` compares: settings and their predictions for validation images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from transferline.metrics.metric_table import Metric
from transferline.metrics.resampling import draw_weights
from transferline.params import Params
from transferline.problems.evaluation import evaluation_of
from transferline.problems.label_evaluation import PROBABILITY
from transferline.problems.metric_choice import metric_table
from transferline.registry.model_comparison import Gain, measure_gain
from transferline.tuning.search_space import Settings


@dataclass(frozen=True)
class Scored:
    """Settings with their predictions for the validation images of each division, and `Data.value` of all of them."""

    settings: Settings
    predictions: list[pd.DataFrame]
    value: float


def lead(params: Params, winner: Scored, other: Scored) -> Gain:
    """Returns the gain of the winner over another, paired over images, or over groups where there are any.

    An image that is in the validation part of several splits counts once for each, in the same group.
    """
    metric, old, new = _compared(params, other, winner)
    return measure_gain(metric, old, new, params.promote.test, params.evaluate)


def winner_first(params: Params, scored: Sequence[Scored], errors: float = 1.0) -> list[Scored]:
    """Returns the winner, then the others, the best first.

    The winner is the first that is at most `errors` standard errors worse than the best. So a small lead, which may be
    noise, does not beat simpler settings (Breiman, Friedman, Olshen and Stone, Classification and Regression Trees,
    1984).

    Args:
        params: the whole params.
        scored: on the same divisions, in the order of preference.
        errors: see above; Breiman and others take one.
    """
    best = max(scored, key=lambda one: one.value)
    winner = next(
        one for one in scored if one is best or best.value - one.value <= errors * standard_error(params, best, one)
    )
    return with_first(winner, scored)


def with_first(winner: Scored, scored: Sequence[Scored]) -> list[Scored]:
    """Returns the winner, then the others, the best first."""
    return [winner, *sorted((one for one in scored if one is not winner), key=lambda one: -one.value)]


def standard_error(params: Params, one: Scored, other: Scored) -> float:
    """Returns the standard error of the difference in `select.metric`, by the bootstrap over groups.

    It is infinite with fewer than two groups.
    """
    metric, old, new = _compared(params, other, one)
    count = int(old.groups.max()) + 1
    if count < 2:
        return math.inf
    of_new, of_old = metric.figure(new), metric.figure(old)
    gains = [of_new(weights) - of_old(weights) for weights in draw_weights(old.groups, params.evaluate)]
    return float(np.nanstd(np.concatenate(gains))) * math.sqrt(count / (count - 1))


def _compared(params: Params, old: Scored, new: Scored) -> tuple[Metric, Any, Any]:
    """Returns `select.metric`, and the images with the predictions of both."""
    kind = evaluation_of(params.data.problem)
    columns = map(str, new.predictions[0].columns)
    classes = tuple(name.removeprefix(PROBABILITY) for name in columns if name.startswith(PROBABILITY))
    images = [kind.images(pd.concat(one.predictions, ignore_index=True), classes) for one in (old, new)]
    return metric_table(params.data.problem, params.evaluate)[params.select.metric], *images
