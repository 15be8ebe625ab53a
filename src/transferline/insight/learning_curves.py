"""How much more training images would help: learning curves of heads on frozen features, overall and by class."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferline.arrays import Array, Counts, Flags, Floats
from transferline.insight.kept_together import folds, nested_places
from transferline.insight.linear_heads import probabilities_of, repeats
from transferline.insight.power_law import forecast
from transferline.not_applicable import NotApplicableError
from transferline.params import Evaluate

CURVES_FILE = "learning_curves.json"
SHARES, SEEDS = (0.125, 0.25, 0.5, 0.75, 1.0), 3
SHARES_OF_CLASS, SEEDS_OF_CLASS = (0.25, 0.5), 2  # and 1.0, which is the last subset of the curve of all classes
FOLDS = 5
FACTOR = 2  # the forecast is for twice as many images; docs/insight.md has the measurements for this factor
L2 = 3.0
LEAST_UNITS, LEAST_UNITS_OF_CLASS = 40, 10
MOST_CLASSES = 5


def learning_curves(
    values: Floats,
    unit: Counts,
    questions: Sequence[Counts],
    possible: int,
    about_classes: Sequence[tuple[str, int, int]],
    params: Evaluate,
) -> dict[str, Any]:
    """Computes learning curves and forecasts from heads that train on nested subsets and predict held-out images.

    Args:
        values: (n, components), see `components`.
        unit: (n,) see `units`. A subset has all images of a unit or none.
        questions: the answers to each question, see `InsightOfKind.answers`.
        possible: the number of possible answers of a question.
        about_classes: see `InsightOfKind.about_classes`.
        params: `bootstrap`, `confidence` and `seed`.

    Returns:
        `overall`, and `classes`, a list for the classes with the lowest recall, at most `MOST_CLASSES`. Each has
        `images` (numbers of training images of its subsets), `values` (the mean score for each: overall the share of
        right predictions, of a class its recall), and `forecast`: `more` (as many images as there are now), `gain`,
        `low`, `high` (differences of the score). A class also has `class`. Only its images change in its curve, and
        then the recall of the other classes can get lower: so there is no forecast of the overall score for one class.

    Raises:
        NotApplicableError: there are fewer than `LEAST_UNITS` units.
    """
    if (count := len(np.unique(unit))) < LEAST_UNITS:
        raise NotApplicableError(f"there are {count} images of train and validation; {LEAST_UNITS} are needed")
    curves = [_curve(values, unit, answers, possible, SHARES, SEEDS, None, params.seed) for answers in questions]
    sizes, scores = curves[0][0], np.mean([scores for _, scores in curves], axis=0)
    every = np.ones(len(values), bool)
    overall = _described(sizes, scores, unit, every, len(values), params)
    recalls = {}
    for name, number, answer in about_classes:
        members = questions[number] == answer
        if len(np.unique(unit[members])) >= LEAST_UNITS_OF_CLASS:
            recalls[name, number, answer] = float(curves[number][1][:, -1, members].mean())
    weakest = sorted(recalls, key=lambda about: recalls[about])[:MOST_CLASSES]
    of_classes = [
        _of_class(values, unit, questions[about[1]], possible, about, curves[about[1]][1][:, -1:], params)
        for about in weakest
    ]
    return {"overall": overall, "classes": of_classes}


def sentences(found: dict[str, Any]) -> list[str]:
    """Returns a sentence for people about each forecast of `learning_curves`."""
    curves = [("images of all classes", "the share of right predictions", found["overall"])]
    curves += [(f"images of {curve['class']}", "the recall of that class", curve) for curve in found["classes"]]
    lines = []
    for what, score, curve in curves:
        expected = curve["forecast"]
        low, gain, high = (100 * expected[name] for name in ("low", "gain", "high"))
        lines.append(f"{expected['more']} more {what} change {score} by {gain:+.1f} points [{low:+.1f}, {high:+.1f}]")
    return lines


def _of_class(
    values: Floats,
    unit: Counts,
    answers: Counts,
    possible: int,
    about: tuple[str, int, int],
    whole: Array,
    params: Evaluate,
) -> dict[str, Any]:
    """Returns the curve of a class: only the number of its images changes. `whole` are the scores with all images."""
    name, _, answer = about
    members = answers == answer
    sizes, scores = _curve(values, unit, answers, possible, SHARES_OF_CLASS, SEEDS_OF_CLASS, answer, params.seed)
    sizes = np.append(sizes, members.sum() * (FOLDS - 1) / FOLDS)
    scores = np.concatenate([scores, whole[:SEEDS_OF_CLASS]], axis=1)
    return {"class": name, **_described(sizes, scores, unit, members, int(members.sum()), params)}


def _curve(
    values: Floats,
    unit: Counts,
    answers: Counts,
    possible: int,
    shares: Sequence[float],
    seeds: int,
    only: int | None,
    seed: int,
) -> tuple[Floats, Array]:
    """Returns mean numbers of training images, (shares,), and 1 for each right prediction, (seeds, shares, n).

    Only images with the answer `only` are left out of a subset, and only they are counted; None means all images.
    """
    seeds = repeats(len(values), seeds)
    scores, sizes = np.zeros((seeds, len(shares), len(values))), np.zeros(len(shares))
    of_class = np.ones(len(values), bool) if only is None else answers == only
    for number in range(seeds):
        fold = folds(unit, answers, FOLDS, seed + number)
        place = nested_places(unit, answers, seed + number)
        for row, share in enumerate(shares):
            in_subset: Flags = ~of_class | (place < share)
            for held_out in (fold == each for each in range(FOLDS)):
                train = in_subset & ~held_out
                sizes[row] += (train & of_class).sum() / seeds / FOLDS
                likely = probabilities_of(values[train], answers[train], values[held_out], possible, L2)
                scores[number, row, held_out] = likely.argmax(axis=1) == answers[held_out]
    return sizes, scores


def _described(sizes: Floats, scores: Array, unit: Counts, rated: Flags, now: int, params: Evaluate) -> dict[str, Any]:
    groups = np.unique(unit[rated], return_inverse=True)[1]
    expected = forecast(sizes, scores[:, :, rated], groups, FACTOR, params)
    gains = {"gain": expected.gain, "low": expected.low, "high": expected.high}
    more = {"more": round((FACTOR - 1) * now), **gains}
    means = scores[:, :, rated].mean(axis=(0, 2))
    return {"images": sizes.round().astype(int).tolist(), "values": means.tolist(), "forecast": more}
