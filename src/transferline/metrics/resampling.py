"""Metrics of weighted images for many resamples at once, and the resamples of the bootstrap.

A `Figure` is a metric as a function of weights. The weights, (resamples, images), hold how often each image is drawn.
The function returns the metric of each resample, (resamples,); NaN where it is not defined. scikit-learn's functions
take one set of weights per call, which is too slow for a thousand resamples of each class.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from transferline.arrays import Array, Counts, Flags, Floats
from transferline.params import Evaluate

MOST_WEIGHTS = 500_000

Figure = Callable[[Floats], Floats]


def mean_of(values: Array) -> Figure:
    """Returns the mean of `values`, one for each image, (n,)."""
    return lambda weights: weights @ values / weights.sum(axis=1)


def ratio_of(parts: Floats, wholes: Floats) -> Figure:
    """Returns the sum of `parts` divided by the sum of `wholes`; both have one value for each image, (n,)."""
    return lambda weights: weights @ parts / (weights @ wholes)


def recalls(truth: Flags, predicted: Flags) -> Figure:
    """Returns balanced accuracy: the mean recall over the classes in `truth`. Both arrays are (n, classes)."""
    return lambda weights: _mean_of_known(_share(weights @ (truth & predicted), weights @ truth))


def macro_f1(truth: Flags, predicted: Flags) -> Figure:
    """Returns the mean F1 over the classes in `truth`. Both arrays are (n, classes)."""

    def figure(weights: Floats) -> Floats:
        hits, support, claims = (weights @ flags for flags in (truth & predicted, truth, predicted))
        return _mean_of_known(np.where(support > 0, _share(2 * hits, support + claims), np.nan))

    return figure


def micro_f1(truth: Flags, predicted: Flags) -> Figure:
    """Returns F1 over all pairs of image and class. Both arrays are (n, classes)."""
    hits, both = (truth & predicted).sum(axis=1), truth.sum(axis=1) + predicted.sum(axis=1)
    return lambda weights: _share(2 * (weights @ hits), weights @ both)


def mean_over_classes(area: Callable[[Flags, Floats, Floats], Floats], truth: Flags, probabilities: Floats) -> Figure:
    """Returns the mean of `average_precision` or `roc_area` over the classes where it is defined.

    Both arrays are (n, classes).
    """
    columns = list(zip(truth.T, probabilities.T, strict=True))
    return lambda weights: _mean_of_known(np.stack([area(*pair, weights) for pair in columns], axis=1))


def average_precision(truth: Flags, probabilities: Floats, weights: Floats) -> Floats:
    """Computes the average precision: precision times the increase of recall, summed over decreasing thresholds.

    There is no interpolation, as in scikit-learn.

    Args:
        truth: (n,) bool, whether each image has the class.
        probabilities: (n,) the probability of the class.
        weights: (resamples, n) how often each image is drawn.

    Returns:
        (resamples,); NaN where no image of a resample has the class.
    """
    hits, claims = _above_thresholds(truth, probabilities, weights)
    return _share((np.diff(hits, prepend=0) * _share(hits, claims, empty=0)).sum(axis=1), hits[:, -1])


def roc_area(truth: Flags, probabilities: Floats, weights: Floats) -> Floats:
    """Computes the area under the ROC curve, with the arguments of `average_precision`.

    Returns:
        (resamples,); NaN where no image or every image of a resample has the class.
    """
    hits, claims = _above_thresholds(truth, probabilities, weights)
    alarms = claims - hits
    middle = hits - np.diff(hits, prepend=0) / 2
    return _share((np.diff(alarms, prepend=0) * middle).sum(axis=1), hits[:, -1] * alarms[:, -1])


def _above_thresholds(truth: Flags, probabilities: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Counts the positive images and all images at or above each distinct probability, the highest first.

    Both arrays are (resamples, distinct probabilities).
    """
    order = np.argsort(-probabilities, kind="stable")
    last = np.flatnonzero(np.append(np.diff(probabilities[order]) != 0, True))
    drawn = weights[:, order]
    return np.cumsum(drawn * truth[order], axis=1)[:, last], np.cumsum(drawn, axis=1)[:, last]


def _share(part: Floats, whole: Floats, empty: float = np.nan) -> Floats:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), empty)


def _mean_of_known(values: Floats) -> Floats:
    known = ~np.isnan(values)
    return _share(np.where(known, values, 0).sum(axis=1), known.sum(axis=1))


def group_numbers(images: pd.DataFrame) -> Counts:
    """Returns the number of each image's group, (n,), from 0 without gaps, from the column `group` of the manifest."""
    return pd.factorize(images["group"])[0].astype(np.int64)


def draw_weights(groups: Counts, params: Evaluate) -> Iterator[Floats]:
    """Draws `params.bootstrap` resamples of whole groups, with replacement.

    Images of one group, such as the frames of a track, are not independent. A resample therefore contains all images
    of a group or none. Where each image is its own group, this is the bootstrap over images.

    Args:
        groups: (n,) the number of each image's group, from 0 without gaps, n ≥ 1.
        params: `seed` fixes the resamples.

    Yields:
        Parts of the resamples that fit in memory, (resamples of the part, n): how often each image is drawn.
    """
    n = int(groups.max()) + 1
    random, most = np.random.default_rng(params.seed), max(1, MOST_WEIGHTS // len(groups))
    for first in range(0, params.bootstrap, most):
        rows = min(most, params.bootstrap - first)
        drawn = random.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(float)[:, groups]
