"""What the search of `tune` compares: settings and their predictions for validation images."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import pandas as pd

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
    kind = evaluation_of(params.data.problem)
    columns = map(str, winner.predictions[0].columns)
    classes = tuple(name.removeprefix(PROBABILITY) for name in columns if name.startswith(PROBABILITY))
    tables = [pd.concat(one.predictions, ignore_index=True) for one in (other, winner)]
    old, new = (kind.images(table, classes) for table in tables)
    metric = metric_table(params.data.problem, params.evaluate)[params.select.metric]
    return measure_gain(metric, old, new, params.promote.test, params.evaluate)


def winner_first(params: Params, scored: Sequence[Scored]) -> list[Scored]:
    """Returns the winner, then the others, the best first.

    The winner is the first that is not worse than the best by more than one standard error, so that no settings win by
    noise against simpler ones (Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984).

    Args:
        params: the whole params.
        scored: on the same divisions, in the order of preference.
    """
    best = max(scored, key=lambda one: one.value)
    winner = next(one for one in scored if one is best or not _is_beyond_one_error(lead(params, best, one), params))
    return [winner, *sorted((one for one in scored if one is not winner), key=lambda one: -one.value)]


def _is_beyond_one_error(gain: Gain, params: Params) -> bool:
    """Whether a gain is more than one standard error, which follows from the length of its interval."""
    errors_on_each_side = NormalDist().inv_cdf(1 - params.promote.test.level / 2)
    return gain.gain > (gain.high - gain.low) / 2 / errors_on_each_side
