"""Confidence intervals of metrics. docs/statistics.md lists the method of each metric, with simulations."""

from collections.abc import Collection, Mapping

import numpy as np

from transferline.arrays import Counts, Flags, Floats
from transferline.metrics.cluster_variance import cluster_variance
from transferline.metrics.resampling import Figure, draw_weights, ratio_of
from transferline.params import Evaluate

Interval = tuple[float, float]
Values = dict[str, float | None]

SMALL = 1e-9


def wilson(share: float, n: float, confidence: float) -> Interval:
    """Returns Wilson's interval of a share, 0 to 1, of `n` independent images or groups.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference, Journal of the American Statistical
    Association 22, 1927. Unlike a bootstrap interval it has a width above 0 if the share is 0 or 1.
    """
    from scipy.stats import norm

    z2 = float(norm.ppf((1 + confidence) / 2)) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = np.sqrt(z2 * share * (1 - share) / n + z2**2 / (4 * n**2)) / (1 + z2 / n)
    return max(float(centre - reach), 0.0), min(float(centre + reach), 1.0)


def share_with_interval(name: str, flags: Flags, groups: Counts, confidence: float) -> Values:
    """Computes a share of images, such as the accuracy, with Wilson's interval; see `grouped_wilson` for groups.

    Args:
        name: the name of the metric.
        flags: (n,) bool, whether each image counts.
        groups: (n,) the number of each image's group; numbers may be missing.
        confidence: of the interval, 0 to 1.

    Returns:
        `name`, `name_low` and `name_high`, 0 to 1; None without any image.
    """
    if len(flags) == 0:
        return _values(name, np.nan, np.nan, np.nan)
    numbers, share = np.unique(groups, return_inverse=True)[1], float(flags.mean())
    is_alone = numbers.max() + 1 == len(flags)
    interval = wilson(share, len(flags), confidence) if is_alone else grouped_wilson(flags, numbers, confidence)
    return _values(name, share, *interval)


def grouped_wilson(flags: Flags, groups: Counts, confidence: float) -> Interval:
    """Returns Wilson's interval of a share of images in groups, for the number of independent images that is as sure.

    That number is n divided by the design effect (Rao and Scott, A Simple Method for the Analysis of Clustered Binary
    Data, Biometrics 48, 1992), corrected for few groups by Student's t (Korn and Graubard, Confidence Intervals for
    Proportions with Small Expected Number of Positive Counts Estimated from Survey Data, Survey Methodology 24, 1998).
    If the images are too few to know the design effect, because the normal interval reaches 0 or 1, the result is at
    least as wide as Wilson's interval of the share for the number of groups.

    Args:
        flags: (n,) bool, whether each image counts, n ≥ 1.
        groups: (n,) the number of each image's group, from 0 without gaps.
        confidence: of the interval, 0 to 1.
    """
    from scipy.stats import norm
    from scipy.stats import t as student

    share, sizes = float(flags.mean()), np.bincount(groups)
    n, count = len(flags), len(sizes)
    if count == 1:
        return wilson(share, 1, confidence)
    surplus = np.bincount(groups, flags) - share * sizes
    variance = cluster_variance(surplus) / n**2
    z, t = (float(one) for one in (norm.ppf((1 + confidence) / 2), student.ppf((1 + confidence) / 2, count - 1)))
    reach = t * variance**0.5
    found = []
    if variance > 0:
        found.append(wilson(share, min(share * (1 - share) / variance, n) * (z / t) ** 2, confidence))
    if share - reach <= 0 or share + reach >= 1 or variance == 0:
        found.append(wilson(share, count, confidence))
    return min(low for low, _ in found), max(high for _, high in found)


def ratio_with_interval(name: str, parts: Floats, wholes: Floats, groups: Counts, params: Evaluate) -> Values:
    """Computes the sum of `parts` over that of `wholes`, such as pixels, (n,), by `with_intervals`.

    Images whose whole is 0 do not count. If all are 0, the values are None.
    """
    rows = wholes > 0
    if not rows.any():
        return _values(name, np.nan, np.nan, np.nan)
    numbers = np.unique(groups[rows], return_inverse=True)[1]
    figure = {name: ratio_of(parts[rows], wholes[rows])}
    return with_intervals(figure, numbers, params, figure)


def with_intervals(
    figures: Mapping[str, Figure], groups: Counts, params: Evaluate, bounded: Collection[str] = ()
) -> Values:
    """Computes each metric of `n` images with its bootstrap interval; see `draw_weights`.

    It is the percentile interval (Efron and Tibshirani, An Introduction to the Bootstrap, 1993), expanded for few
    groups (Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician 69, 2015). If an
    interval of `bounded` has no width or reaches 0 or 1, it is at least as wide as Wilson's for a share of the groups.

    Args:
        figures: the metrics, by name.
        groups: (n,) the number of each image's group, from 0 without gaps, n ≥ 1.
        params: `confidence`, `bootstrap` and `seed`.
        bounded: the names of metrics whose range is 0 to 1.

    Returns:
        For each metric `name`, `name_low` and `name_high`; None where the value is not defined.
    """
    result: Values = {}
    tail, count = expanded_tail(groups, params.confidence), int(groups.max()) + 1
    for name, (value, resampled) in _resampled(figures, groups, params).items():
        low, high = np.quantile(resampled, [tail, 1 - tail]) if len(resampled) else (np.nan, np.nan)
        if name in bounded and not np.isnan(value) and (high - low < SMALL or low < SMALL or high > 1 - SMALL):
            least = wilson(float(np.clip(value, 0, 1)), count, params.confidence)
            low, high = min(low, least[0]), max(high, least[1])
        result |= _values(name, value, low, high)
    return result


def error_with_interval(name: str, gaps: Floats, groups: Counts, params: Evaluate) -> Values:
    """Computes a calibration error with its interval: plus or minus the noise of its bins.

    A calibration error is a sum of absolute values, so noise makes it larger, and it is larger still in resamples. A
    percentile interval would be wrong. By the triangle inequality, the error is at most as far from that of the
    population as the sum of the absolute noise of all bins. The bootstrap gives a bound of this noise.

    Args:
        name: the name of the metric.
        gaps: (n, bins), see `calibration_gaps`.
        groups: (n,) the number of each image's group, from 0 without gaps.
        params: `confidence`, `bootstrap` and `seed`.
    """
    found = gaps.mean(axis=0)
    draws = draw_weights(groups, params)
    noise = np.concatenate([np.abs(w @ gaps / w.sum(axis=1, keepdims=True) - found).sum(axis=1) for w in draws])
    value, reach = (
        float(np.abs(found).sum()),
        float(np.quantile(noise, 1 - 2 * expanded_tail(groups, params.confidence))),
    )
    if reach < SMALL:
        return _values(name, value, *wilson(min(value, 1.0), int(groups.max()) + 1, params.confidence))
    return _values(name, value, max(value - reach, 0.0), min(value + reach, 1.0))


def _resampled(figures: Mapping[str, Figure], groups: Counts, params: Evaluate) -> dict[str, tuple[float, Floats]]:
    """Returns each metric, and its values in the resamples where it is defined."""
    resamples: dict[str, list[Floats]] = {name: [] for name in figures}
    for weights in draw_weights(groups, params):
        for name, figure in figures.items():
            resamples[name].append(figure(weights))
    values = {name: np.concatenate(parts) for name, parts in resamples.items()}
    once = np.ones((1, len(groups)))
    return {name: (float(figure(once)[0]), values[name][~np.isnan(values[name])]) for name, figure in figures.items()}


def expanded_tail(groups: Counts, confidence: float) -> float:
    """Returns the share of resamples below an expanded percentile interval."""
    from scipy.stats import norm
    from scipy.stats import t as student

    count = max(int(groups.max()) + 1, 2)
    return float(norm.cdf(np.sqrt(count / (count - 1)) * student.ppf((1 - confidence) / 2, count - 1)))


def _values(name: str, value: float, low: float, high: float) -> Values:
    named = {name: value, f"{name}_low": low, f"{name}_high": high}
    return {key: None if np.isnan(number) else float(number) for key, number in named.items()}
