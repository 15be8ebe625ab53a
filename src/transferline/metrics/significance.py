"""Tests whether a difference between two models on the same images is statistically significant."""

from typing import Any

import numpy as np

from transferline.arrays import Counts, Flags
from transferline.metrics.resampling import Figure, draw_weights
from transferline.params import Evaluate, SignificanceTest

Interval = tuple[float, float]


def paired_bootstrap(new: Figure, old: Figure, groups: Counts, test: SignificanceTest, params: Evaluate) -> Interval:
    """Computes the percentile bootstrap interval of the metric `new` minus `old`.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993.

    Args:
        new: the metric of one model, see `resampling`.
        old: the same metric of another model on the same images.
        groups: see `draw_weights`.
        test: `resamples` is the number of resamples, which both models share. The interval has the confidence
            1 - `level`.
        params: `seed` fixes the resamples.

    Returns:
        Lower and upper end. Resamples for which the metric is not defined are left out.
    """
    draws = draw_weights(groups, params.model_copy(update={"bootstrap": test.resamples}))
    values = np.concatenate([new(weights) - old(weights) for weights in draws])
    low, high = np.nanquantile(values, [test.level / 2, 1 - test.level / 2])
    return float(low), float(high)


def mcnemar(one: Flags, other: Flags) -> float:
    """Computes the two-sided p-value of McNemar's exact test.

    McNemar, Psychometrika 12, 1947. The exact form is a sign test.

    Args:
        one: (n,) bool, whether one model predicts each image correctly.
        other: (n,) the same for the other model.
    """
    from scipy.stats import binomtest

    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def share_difference(one: Flags, other: Flags, level: float) -> Interval:
    """Computes the confidence interval of the difference between two shares of the same images, `one` minus `other`.

    Newcombe, Improved confidence intervals for the difference between binomial proportions based on paired data,
    Statistics in Medicine 17, 1998, method 10. Unlike a bootstrap interval it remains wide for very few images.

    Args:
        one: (n,) bool, whether each image counts for one model, n ≥ 1.
        other: (n,) the same for the other model.
        level: the interval has the confidence 1 - level.

    Returns:
        Lower and upper end.
    """
    (first, low_1, high_1), (second, low_2, high_2) = (_share(flags, level) for flags in (one, other))
    correlation = _correlation(one, other)

    def reach(up: float, down: float) -> float:
        return float(np.sqrt(max(up**2 - 2 * correlation * up * down + down**2, 0)))

    centre = first - second
    return centre - reach(first - low_1, high_2 - second), centre + reach(high_1 - first, second - low_2)


def _share(flags: Flags, level: float) -> tuple[float, float, float]:
    """Returns a share with the lower and the upper end of its Wilson interval."""
    from scipy.stats import binomtest

    result: Any = binomtest(int(flags.sum()), len(flags))
    interval = result.proportion_ci(1 - level, method="wilson")
    return float(flags.mean()), float(interval.low), float(interval.high)


def _correlation(one: Flags, other: Flags) -> float:
    """Computes the phi coefficient of the paired flags, with Newcombe's correction for continuity."""
    both, neither = int((one & other).sum()), int((~one & ~other).sum())
    only_one, only_other = int((one & ~other).sum()), int((other & ~one).sum())
    product = float(both + only_one) * (only_other + neither) * (both + only_other) * (only_one + neither)
    if product == 0:
        return 0.0
    surplus = both * neither - only_one * only_other
    corrected = max(surplus - len(one) / 2, 0.0) if surplus > 0 else float(surplus)
    return corrected / float(np.sqrt(product))
