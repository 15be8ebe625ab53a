"""The limit on confidence below which a model predicts no label, and the labels that then remain possible.

Both keep a promise about other images, chosen on validation images. docs/statistics.md has simulations.
"""

import math

import numpy as np

from transferline.arrays import Array, Flags, Floats, Positions
from transferline.models.exported import Rejection

CONFIDENCE = 0.95  # of the promise
STARTS = 2
STEP = 0.001  # between the errors that are tried if the wanted one cannot be promised


def choose_rejection(probabilities: Floats, truth: Positions, groups: Array, error: float) -> Rejection:
    """Chooses the lowest limit that promises at most `error` wrong labels among the answered images.

    If no limit does, it takes the least error that can be promised, in steps of `STEP`. Images of one group depend on
    each other, so one image of each group counts, drawn at random.

    Args:
        probabilities: (n, classes), 0 to 1, of validation images with one label, n ≥ 1.
        truth: (n,) the position of each image's class.
        groups: (n,) the group of each image.
        error: `thresholds.reject.error`, 0 to 1.
    """
    order = np.random.default_rng(0).permutation(len(truth))
    drawn = order[np.unique(groups[order], return_index=True)[1]]
    likely, true = probabilities[drawn], truth[drawn]
    confidence, wrong = likely.max(axis=1), likely.argmax(axis=1) != true
    promised, limit = best_promise(confidence, wrong, error)
    return Rejection(
        wanted_error=error,
        error=promised,
        limit=limit,
        coverage=float((confidence >= limit).mean()),
        images=len(drawn),
        possible_limit=conformal_limit(likely[np.arange(len(true)), true], error),
    )


def best_promise(confidence: Floats, wrong: Flags, wanted: float) -> tuple[float, float]:
    """Returns `wanted` and the lowest limit that promises it; if there is none, the least error that has a limit.

    The promise is that the Clopper-Pearson bound on the error of the answered images, with the level `CONFIDENCE`, is
    at most this error (Geifman and El-Yaniv, Selective Classification for Deep Neural Networks, NeurIPS 2017). A search
    among many limits would break the promise too often. So limits are tested in a fixed order, from high to low, until
    one fails; then no test needs a correction (Angelopoulos and others, Learn then Test, 2021). `STARTS` sequences
    share the level: one starts at the fewest images that can prove the promise, one halfway between them and all
    images. The binary search of Geifman and El-Yaniv fails with a few hundred images: it tests small numbers of images,
    for which the bound is never low enough.

    Args:
        confidence: (n,) the highest probability of each image.
        wrong: (n,) whether the predicted label is wrong.
        wanted: the largest allowed share of wrong labels.

    Returns:
        An error and a limit. The limit is 0 if every image is answered. If nothing can be promised, they are 1 and 0.
    """
    from scipy.stats import beta

    values, place, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    answered, errors = counts.cumsum(), np.bincount(place, wrong).cumsum()
    level = (1 - CONFIDENCE) / STARTS
    bounds = np.where(errors < answered, beta.ppf(1 - level, errors + 1, np.maximum(answered - errors, 1)), 1.0)
    middles = np.append(-(values[:-1] + values[1:]) / 2, 0.0)
    others = np.arange(math.floor(wanted / STEP) + 1, round(1 / STEP)) * STEP
    for error in (wanted, *np.round(others, 3).tolist()):
        if end := _tested(bounds <= error, int(np.searchsorted(answered, images_needed(error)))):
            return error, float(middles[end - 1])
    return 1.0, 0.0


def _tested(holds: Flags, first: int) -> int:
    """Returns the number of limits, from the highest, up to the lowest one that a sequence of tests reaches; or 0."""
    starts = {first + (len(holds) - first) * number // STARTS for number in range(STARTS) if first < len(holds)}
    ended = np.append(holds, False)
    return max((start + int(ended[start:].argmin()) for start in starts if ended[start]), default=0)


def images_needed(error: float) -> int:
    """Returns the number of answered images that can prove an error of at most `error`, if all of them are right."""
    return math.ceil(math.log((1 - CONFIDENCE) / STARTS) / math.log(1 - error))


def conformal_limit(of_truth: Floats, error: float) -> float:
    """Returns the probability at which a label remains possible, so that the true label remains with 1 - `error`.

    This is split conformal prediction (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005;
    Angelopoulos and Bates, A Gentle Introduction to Conformal Prediction, 2021), with the score 1 - probability. It
    holds for images that are drawn as those of validation. Too few images give 0: all labels remain possible.

    Args:
        of_truth: (n,) the probability of the true class of each validation image.
        error: 0 to 1.
    """
    rank = math.ceil((len(of_truth) + 1) * (1 - error))
    return float(np.sort(of_truth)[::-1][rank - 1]) if rank <= len(of_truth) else 0.0


def promise(rejection: Rejection) -> str:
    """Returns the promise of a card in a sentence, for people."""
    images, limit = f"{rejection.images} validation images", f"its highest probability reaches {rejection.limit:.4f}"
    who = f"an image gets a label if {limit}, as for {rejection.coverage:.1%} of {images}"
    who = who if rejection.limit else f"every image gets a label, as all {images} did"
    words = f"at most {100 * rejection.error:g}% of the labels are wrong, with {CONFIDENCE:.0%} confidence; {who}"
    if rejection.error == rejection.wanted_error:
        return words
    needed = images_needed(rejection.wanted_error)
    return (
        f"thresholds.reject.error = {rejection.wanted_error:g} cannot be promised: at least {needed} validation images "
        f"must get a label, almost all the right one. The least error that can be promised: {words}"
    )
