"""The tests and intervals of a comparison of two models, with groups and without, against simulations and tables."""

import numpy as np
import pytest

from transferline.arrays import Flags, Floats, Positions
from transferline.metrics.labelled_images import LabelledImages
from transferline.metrics.resampling import Figure, macro_f1, mean_of
from transferline.metrics.significance import (
    fewest_groups,
    gain_interval,
    permutation_test,
    share_difference,
    share_difference_of_groups,
    stacked,
)
from transferline.params import Evaluate, SignificanceTest
from transferline.registry.model_comparison import Gain

TEST = SignificanceTest()
EVALUATE = Evaluate(seed=3, bootstrap=200, confidence=0.95, gallery=4)
CLASSES, LEVEL, TIMES = 4, 0.05, 1000
NOMINAL = LEVEL / 2  # of a two-sided test, the half in which the challenger is the better one

Pair = tuple[Floats, Floats]  # of two models: the class that each predicts, (images, simulations)


def equal_models(groups: int, size: int, random: np.random.Generator) -> tuple[Positions, Floats, Pair]:
    """Two models that predict 80 % of the images correctly, but some groups almost always and others seldom.

    Returns:
        The group and the class of each image, and the predictions in `TIMES` simulations.
    """
    group = np.repeat(np.arange(groups), size)
    truth = group % CLASSES

    def predictions() -> Floats:
        chance = random.beta(1.6, 0.4, (groups, TIMES)) if size > 1 else np.full((groups, TIMES), 0.8)
        right = random.random((len(group), TIMES)) < chance[group]
        return np.where(right, truth[:, None], (truth[:, None] + random.integers(1, CLASSES, right.shape)) % CLASSES)

    return group, truth, (predictions(), predictions())


def accuracies(truth: Floats, predicted: Floats) -> Figure:
    """As `resampling.mean_of`, but of all simulations at once."""
    return lambda weights: weights @ (truth[:, None] == predicted).astype(float) / weights.sum(axis=1, keepdims=True)


def macro_f1s(truth: Floats, predicted: Floats) -> Figure:
    """As `resampling.macro_f1`, but of all simulations at once."""

    def figure(weights: Floats) -> Floats:
        parts = []
        for one in range(CLASSES):
            is_one, claimed = (truth == one)[:, None], predicted == one
            hits, support, claims = (weights @ flags.astype(float) for flags in (is_one & claimed, is_one, claimed))
            parts.append(np.where(support > 0, 2 * hits / np.maximum(support + claims, 1), np.nan))
        return np.nanmean(parts, axis=0)

    return figure


METRICS = {"accuracy": accuracies, "macro_f1": macro_f1s}


def promoted(metric: str, truth: Floats, pair: Pair, groups: Positions, seed: int = 0) -> float:
    """Returns the share of the simulations in which the second model would be promoted."""
    figure_of = METRICS[metric]
    old, new = (figure_of(truth, predicted) for predicted in pair)
    both = figure_of(np.tile(truth, 2), np.concatenate(pair[::-1]))
    low, high = gain_interval(new, old, groups, TEST, EVALUATE)
    p_values = permutation_test(both, groups, TEST, seed)
    one = np.ones((1, len(truth)))
    gains = (new(one) - old(one))[0]
    found = [Gain(0, 0, *values, len(truth), len(truth)) for values in zip(gains, low, high, p_values, strict=True)]
    return float(np.mean([each.gain > 0 and each.is_beyond_noise(LEVEL) for each in found]))


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("groups", "size"), [(20, 30), (50, 12), (600, 1)])
def test_an_equally_good_model_is_promoted_about_as_often_as_the_level_promises(groups, size, metric):
    group, truth, pair = equal_models(groups, size, np.random.default_rng(1))
    assert promoted(metric, truth, pair, group) <= 1.5 * NOMINAL


@pytest.mark.parametrize(("groups", "size"), [(20, 30), (50, 12)])
def test_without_the_groups_it_is_promoted_far_more_often(groups, size):
    _, truth, pair = equal_models(groups, size, np.random.default_rng(1))
    assert promoted("accuracy", truth, pair, np.arange(len(truth))) > 4 * NOMINAL


def test_a_better_model_is_promoted_with_groups():
    group, truth, (old, new) = equal_models(20, 30, np.random.default_rng(1))
    better = np.where(np.random.default_rng(2).random(new.shape) < 0.8, truth[:, None], new)
    assert promoted("accuracy", truth, (old, better), group) > 0.8


def test_the_simulated_f1_is_that_of_the_metric():
    _, truth, (old, _) = equal_models(20, 30, np.random.default_rng(1))
    weights = np.random.default_rng(0).integers(3, size=(5, len(truth))).astype(float)
    flags = np.arange(CLASSES) == truth[:, None], np.arange(CLASSES) == old[:, :1]
    assert macro_f1s(truth, old)(weights)[:, 0] == pytest.approx(macro_f1(*flags)(weights))


def flags_of(*counts: int) -> tuple[Flags, Flags]:
    """For two models: which images both predict correctly, only the first, only the second, none."""
    pairs = np.repeat([[True, True], [True, False], [False, True], [False, False]], counts, axis=0)
    return pairs[:, 0], pairs[:, 1]


def test_intervals_agree_with_published_and_exact_ones():
    # Newcombe 1998, table III, case (a): 36, 12, 2, 0 of 50, method 10: 0.0569 to 0.3404
    one, other = flags_of(36, 12, 2, 0)
    images = np.arange(50)
    assert share_difference(one, other, 0.05) == pytest.approx((0.0569, 0.3404), abs=1e-4)
    assert share_difference_of_groups(one, other, images, 0.05) == share_difference(one, other, 0.05)
    low, high = gain_interval(mean_of(one * 1.0), mean_of(other * 1.0), images, TEST, EVALUATE)
    assert 0.03 < low < 0.1 and 0.3 < high < 0.37


def test_without_groups_the_p_value_of_a_share_is_that_of_mcnemar():
    one, other = flags_of(36, 12, 2, 0)
    exact = 2 * sum([1, 14, 91]) / 2**14  # the exact binomial test of 12 against 2
    many = SignificanceTest(resamples=20_000)
    both = mean_of(np.concatenate([one, other]) * 1.0)
    assert float(permutation_test(both, np.arange(50), many, 3)) == pytest.approx(exact, abs=0.002)


def test_a_single_group_decides_nothing_and_six_can():
    one, other = flags_of(0, 60, 0, 0)
    both = mean_of(np.concatenate([one, other]) * 1.0)
    p_values = [float(permutation_test(both, np.arange(60) % count, TEST, 3)) for count in (1, 5, 6)]
    assert p_values[0] == 1 and p_values[1] > LEVEL > p_values[2] and fewest_groups(LEVEL) == 6


def test_the_interval_of_a_class_is_wider_with_groups_and_includes_0_for_very_few():
    one, other = flags_of(0, 40, 0, 20)
    images, six, two = np.arange(60), np.arange(60) // 10, np.arange(60) // 30
    intervals = [share_difference_of_groups(one, other, groups, 0.05) for groups in (images, six, two)]
    narrow, wider, widest = (low for low, _ in intervals)
    assert narrow > wider > widest and narrow > 0.5 and widest < 0
    same = share_difference_of_groups(one, one, six, 0.05)
    assert same[0] < 0 < same[1]


def test_stacked_images_are_those_of_both_models():
    truth, old, new = (np.eye(3, dtype=bool)[row] for row in ([0, 1], [0, 0], [2, 1]))
    both = stacked(*(LabelledImages(truth, each, each * 0.8, ("a", "b", "c"), np.arange(2)) for each in (new, old)))
    assert len(both) == 4 and both.predicted.tolist() == [*new.tolist(), *old.tolist()]
