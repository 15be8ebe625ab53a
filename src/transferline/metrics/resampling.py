"""Figures of weighted images, many weightings at once, and the bootstrap intervals that follow from them.

scikit-learn's functions take one weighting at a time, which makes a thousand resamples of each class too slow. A
figure is a function of weights (resamples, images), how often each image is drawn, that returns (resamples,) values;
NaN where it is not defined.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from transferline.arrays import Array, Flags, Floats
from transferline.params import Evaluate

MOST_WEIGHTS = 500_000

Figure = Callable[[Floats], Floats]


def mean_of(values: Array) -> Figure:
    """The mean of one value per image, (n,)."""
    return lambda weights: weights @ values / weights.sum(axis=1)


def recalls(truth: Flags, predicted: Flags) -> Figure:
    """Balanced accuracy: the mean recall of the classes that the truth holds. Both (n, classes)."""
    return lambda weights: _mean_of_known(_share(weights @ (truth & predicted), weights @ truth))


def macro_f1(truth: Flags, predicted: Flags) -> Figure:
    """The mean F1 of the classes that the truth holds. Both (n, classes)."""

    def figure(weights: Floats) -> Floats:
        hits, support, claims = (weights @ flags for flags in (truth & predicted, truth, predicted))
        return _mean_of_known(np.where(support > 0, _share(2 * hits, support + claims), np.nan))

    return figure


def micro_f1(truth: Flags, predicted: Flags) -> Figure:
    """F1 of all pairs of image and class together. Both (n, classes)."""
    hits, both = (truth & predicted).sum(axis=1), truth.sum(axis=1) + predicted.sum(axis=1)
    return lambda weights: _share(2 * (weights @ hits), weights @ both)


def mean_over_classes(area: Callable[[Flags, Floats, Floats], Floats], truth: Flags, probabilities: Floats) -> Figure:
    """The mean of `average_precision` or `roc_area` over the classes that have one. Both (n, classes)."""
    columns = list(zip(truth.T, probabilities.T, strict=True))
    return lambda weights: _mean_of_known(np.stack([area(*pair, weights) for pair in columns], axis=1))


def average_precision(truth: Flags, probabilities: Floats, weights: Floats) -> Floats:
    """The sum of precision times gained recall over falling thresholds, without interpolation, as in scikit-learn.

    Args:
        truth: (n,) which images have the class.
        probabilities: (n,) of the class.
        weights: (resamples, n).

    Returns:
        (resamples,)
    """
    hits, claims = _above_thresholds(truth, probabilities, weights)
    return _share((np.diff(hits, prepend=0) * _share(hits, claims, empty=0)).sum(axis=1), hits[:, -1])


def roc_area(truth: Flags, probabilities: Floats, weights: Floats) -> Floats:
    """The area under the ROC curve; arguments and result as in `average_precision`."""
    hits, claims = _above_thresholds(truth, probabilities, weights)
    alarms = claims - hits
    middle = hits - np.diff(hits, prepend=0) / 2
    return _share((np.diff(alarms, prepend=0) * middle).sum(axis=1), hits[:, -1] * alarms[:, -1])


def _above_thresholds(truth: Flags, probabilities: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Positives, and all images, at or above each distinct probability, the highest first: (resamples, distinct)."""
    order = np.argsort(-probabilities, kind="stable")
    last = np.flatnonzero(np.append(np.diff(probabilities[order]) != 0, True))
    drawn = weights[:, order]
    return np.cumsum(drawn * truth[order], axis=1)[:, last], np.cumsum(drawn, axis=1)[:, last]


def _share(part: Floats, whole: Floats, empty: float = np.nan) -> Floats:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), empty)


def _mean_of_known(values: Floats) -> Floats:
    known = ~np.isnan(values)
    return _share(np.where(known, values, 0).sum(axis=1), known.sum(axis=1))


def draw_weights(n: int, params: Evaluate) -> Iterator[Floats]:
    """How often each of `n` images is drawn in each of `params.bootstrap` resamples, in parts that fit in memory."""
    random, most = np.random.default_rng(params.seed), max(1, MOST_WEIGHTS // n)
    for first in range(0, params.bootstrap, most):
        rows = min(most, params.bootstrap - first)
        drawn = random.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(float)


def with_intervals(figures: Mapping[str, Figure], n: int, params: Evaluate) -> dict[str, float | None]:
    """Each figure of `n` images and its percentile bootstrap interval (Efron and Tibshirani, An Introduction to the
    Bootstrap, 1993), from resamples of images.

    Returns:
        For each name `name`, `name_low` and `name_high`; None where it is not defined.
    """
    resamples: dict[str, list[Floats]] = {name: [] for name in figures}
    for weights in draw_weights(n, params):
        for name, figure in figures.items():
            resamples[name].append(figure(weights))
    result = {}
    tail = (1 - params.confidence) / 2
    for name, figure in figures.items():
        values = np.concatenate(resamples[name])
        values = values[~np.isnan(values)]
        low, high = np.quantile(values, [tail, 1 - tail]) if len(values) else (np.nan, np.nan)
        value = figure(np.ones((1, n)))[0]
        for end, number in (("", value), ("_low", low), ("_high", high)):
            result[name + end] = None if np.isnan(number) else float(number)
    return result
