"""Tests whether a difference between two models on the same images is more than chance.

Images of one group, such as frames of one track, are not independent. So each function here takes the group of each
image. Where no groups are known, each image is its own group.
"""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np

from transferline.arrays import Counts, Flags, Floats
from transferline.metrics.intervals import expanded_tail
from transferline.metrics.resampling import Figure, draw_weights
from transferline.params import Evaluate, SignificanceTest

MOST_WEIGHTS = 2_000_000
ROUNDING = 1e-12

Interval = tuple[float, float]
Images = TypeVar("Images")


def stacked(new: Images, old: Images) -> Images:
    """Returns the predictions of two models for the same n images as those for 2n images, `new` first.

    Args:
        new, old: a dataclass with arrays of n rows, such as `LabelledImages`.
    """
    images: Any = new
    arrays = [each.name for each in fields(images) if isinstance(getattr(images, each.name), np.ndarray)]
    joined = {name: np.concatenate([getattr(new, name), getattr(old, name)]) for name in arrays}
    return replace(images, **joined)  # type: ignore[no-any-return]


def swapped_differences(both: Figure, groups: Counts, test: SignificanceTest, seed: int) -> Floats:
    """Computes the difference between two models after their predictions were swapped in randomly chosen groups.

    Args:
        both: a metric of the `stacked` images, or several: it returns (resamples,) or (resamples, metrics).
        groups: (n,) the number of each image's group, from 0.
        test: `resamples` is the number of random choices.
        seed: fixes them.

    Returns:
        (resamples,) or (resamples, metrics).
    """
    random = np.random.default_rng(seed)

    def parts() -> Iterator[Floats]:
        most = max(1, MOST_WEIGHTS // (2 * len(groups)))  # fit in memory
        for first in range(0, test.resamples, most):
            rows = min(most, test.resamples - first)
            kept = random.integers(2, size=(rows, groups.max() + 1))[:, groups].astype(float)
            weights = np.concatenate([kept, 1 - kept], axis=1)
            yield both(weights) - both(1 - weights)

    return np.concatenate(list(parts()))


def permutation_test(both: Figure, groups: Counts, test: SignificanceTest, seed: int) -> Floats:
    """Computes the two-sided p-value of a permutation test, () or (metrics,); see `swapped_differences`.

    If the models are equally good, swapping their predictions for the images of a group changes nothing but chance.
    The p-value is the share of random swaps after which the models differ at least as much as they do. For a share
    of images without groups this is McNemar's exact test, up to the number of resamples.

    Good, Permutation, Parametric and Bootstrap Tests of Hypotheses, 3rd edition, 2005. Phipson and Smyth, Permutation
    P-values Should Never Be Zero, Statistical Applications in Genetics and Molecular Biology 9, 2010.
    """
    of_new = np.repeat([[1.0, 0.0]], len(groups), axis=1)
    difference = np.abs(both(of_new) - both(1 - of_new))[0]
    reached = np.abs(swapped_differences(both, groups, test, seed)) >= difference - ROUNDING
    return np.asarray((1 + reached.sum(axis=0)) / (1 + len(reached)))


def fewest_groups(level: float) -> int:
    """Returns the least number of groups with which a two-sided permutation test can be significant at `level`."""
    return int(np.floor(1 - np.log2(level))) + 1


def gain_interval(new: Figure, old: Figure, groups: Counts, test: SignificanceTest, params: Evaluate) -> Floats:
    """Computes the bootstrap interval of the metric `new` minus `old`; see `draw_weights` and `with_intervals`.

    Args:
        new: a metric of one model, or several: it returns (resamples,) or (resamples, metrics).
        old: the same of another model on the same n images.
        groups: (n,) the number of each image's group, from 0.
        test: `resamples` is the number of resamples, which both models share. The interval has the confidence
            1 - `level`.
        params: `seed` fixes the resamples.

    Returns:
        Lower and upper end, (2,) or (2, metrics). Resamples for which the metric is not defined are left out.
    """
    draws = draw_weights(groups, params.model_copy(update={"bootstrap": test.resamples}))
    values = np.concatenate([new(weights) - old(weights) for weights in draws])
    tail = expanded_tail(groups, 1 - test.level)
    ends: Floats = np.nanquantile(values, [tail, 1 - tail], axis=0)
    return ends


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


def share_difference_of_groups(one: Flags, other: Flags, groups: Counts, level: float) -> Interval:
    """Computes the interval of `share_difference` for images in groups; without groups it is the same.

    With groups it is the wider of two intervals: that of `share_difference`, and a t interval with the standard error
    from the differences of whole groups (Liang and Zeger, Longitudinal Data Analysis Using Generalized Linear Models,
    Biometrika 73, 1986), which are taken from 0, as if the models were equally good.
    """
    low, high = share_difference(one, other, level)
    names, group = np.unique(groups, return_inverse=True)
    if len(names) == len(one):
        return low, high
    differences = np.bincount(group, one.astype(float) - other) / len(one)
    reach = t_reach(float(np.sqrt((differences**2).sum())), len(names), level)
    return min(low, differences.sum() - reach), max(high, differences.sum() + reach)


def t_reach(error: float, groups: int, level: float) -> float:
    """Returns half the width of a t interval of the confidence 1 - level, from an error and a number of groups."""
    from scipy.stats import t

    return float(t.ppf(1 - level / 2, groups)) * error


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
