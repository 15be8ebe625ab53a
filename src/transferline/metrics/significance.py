"""Whether a difference between two models on the same images is more than noise."""

from typing import Any

import numpy as np

from transferline.arrays import Flags
from transferline.metrics.resampling import Figure, draw_weights
from transferline.params import Evaluate, SignificanceTest

Interval = tuple[float, float]


def paired_bootstrap(new: Figure, old: Figure, images: int, test: SignificanceTest, params: Evaluate) -> Interval:
    """The percentile interval of `new` minus `old` (Efron and Tibshirani, An Introduction to the Bootstrap, 1993).

    Args:
        new: a figure of one model, see `resampling`.
        old: the same figure of another model on the same images.
        images: how many there are, at least one.
        test: `resamples` that both models share; the interval holds the share 1 - `level` of them.
        params: `seed` of the draws.

    Returns:
        Lower and upper end. Resamples without the figure are left out.
    """
    draws = draw_weights(images, params.model_copy(update={"bootstrap": test.resamples}))
    values = np.concatenate([new(weights) - old(weights) for weights in draws])
    low, high = np.nanquantile(values, [test.level / 2, 1 - test.level / 2])
    return float(low), float(high)


def mcnemar(one: Flags, other: Flags) -> float:
    """The p-value of McNemar's exact test, two-sided (McNemar, Psychometrika 12, 1947; the exact form is a sign test).

    Args:
        one: (n,) which images one model gets right.
        other: (n,) the same of the other model.
    """
    from scipy.stats import binomtest

    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def share_difference(one: Flags, other: Flags, level: float) -> Interval:
    """The interval of the difference between two shares of the same images, `one` minus `other`.

    Newcombe, Improved confidence intervals for the difference between binomial proportions based on paired data,
    Statistics in Medicine 17, 1998, method 10. Unlike a bootstrap it stays wide for a handful of images.

    Args:
        one: (n,) whether the image counts for one model, n ≥ 1.
        other: (n,) the same of the other model.
        level: the interval has the confidence 1 - level.
    """
    (first, low_1, high_1), (second, low_2, high_2) = (_share(flags, level) for flags in (one, other))
    correlation = _correlation(one, other)

    def reach(up: float, down: float) -> float:
        return float(np.sqrt(max(up**2 - 2 * correlation * up * down + down**2, 0)))

    centre = first - second
    return centre - reach(first - low_1, high_2 - second), centre + reach(high_1 - first, second - low_2)


def _share(flags: Flags, level: float) -> tuple[float, float, float]:
    """A share with the ends of Wilson's interval."""
    from scipy.stats import binomtest

    result: Any = binomtest(int(flags.sum()), len(flags))
    interval = result.proportion_ci(1 - level, method="wilson")
    return float(flags.mean()), float(interval.low), float(interval.high)


def _correlation(one: Flags, other: Flags) -> float:
    """The phi coefficient of the paired answers, corrected for continuity as Newcombe does."""
    both, neither = int((one & other).sum()), int((~one & ~other).sum())
    only_one, only_other = int((one & ~other).sum()), int((other & ~one).sum())
    product = float(both + only_one) * (only_other + neither) * (both + only_other) * (only_one + neither)
    if product == 0:
        return 0.0
    surplus = both * neither - only_one * only_other
    corrected = max(surplus - len(one) / 2, 0.0) if surplus > 0 else float(surplus)
    return corrected / float(np.sqrt(product))
