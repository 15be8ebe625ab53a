"""Limits on confidence and possible labels: simulations of what they promise."""

import math

import numpy as np
import pytest

from transferline.metrics.rejection import best_promise, choose_rejection, conformal_limit, images_needed, promise

SETS = 1000
NOISE = 3 * math.sqrt(0.05 * 0.95 / SETS)


def draw(random, n, power, floor):
    """Confidences from 0.4 to 1 of a calibrated model, apart from a share of wrong labels, and the probability of an
    error of each image."""
    confidence = 1 - 0.6 * random.random(n) ** power
    return confidence, 1 - np.minimum(confidence, 1 - floor)


def risk_of(limit, power, floor):
    """The share of wrong labels among all images that reach a limit."""
    confidence = 1 - 0.6 * ((np.arange(10_000) + 0.5) / 10_000) ** power
    return (1 - np.minimum(confidence, 1 - floor))[confidence >= limit].mean()


@pytest.mark.parametrize(
    ("n", "power", "floor", "error"),
    [(200, 15, 0.002, 0.02), (500, 15, 0.005, 0.02), (500, 1e-9, 0.0201, 0.02), (300, 3, 0.0, 0.05)],
    ids=["few", "many", "no limit is right", "five percent"],
)
def test_the_promise_is_broken_in_at_most_five_of_a_hundred_sets(n, power, floor, error):
    random, broken, kept = np.random.default_rng(1), 0, 0
    for _ in range(SETS):
        confidence, wrong = draw(random, n, power, floor)
        if power < 1:  # the same error at every confidence
            confidence, wrong = random.random(n), np.full(n, floor)
        promised, limit = best_promise(confidence, random.random(n) < wrong, error)
        kept += promised == error
        broken += promised == error and (power < 1 or risk_of(limit, power, floor) > error)
    assert broken / SETS <= 0.05 + NOISE
    assert power < 1 or kept > SETS / 10


@pytest.mark.parametrize("groups", [1, 10], ids=["images", "groups"])
def test_the_least_promise_of_few_images_holds_too(groups):
    """80 images or groups cannot promise 2 %. Images of a group are right or wrong together."""
    random, broken, promised = np.random.default_rng(2), 0, []
    for _ in range(SETS):
        confidence, error = draw(random, 80, 6, 0.01)
        wrong = np.repeat(random.random(80) < error, groups)
        first = np.repeat(confidence, groups)
        likely = np.stack([first, (1 - first) / 2, (1 - first) / 2], axis=1)  # the first class is the most probable
        truth = wrong.astype(int)
        found = choose_rejection(likely, truth, np.repeat(np.arange(80), groups), 0.02)
        assert found.images == 80 and found.error > 0.02
        promised.append(found.error)
        broken += risk_of(found.limit, 6, 0.01) > found.error
    assert broken / SETS <= 0.05 + NOISE and np.median(promised) < 0.15


def test_the_true_label_remains_possible_as_often_as_promised():
    random, share = np.random.default_rng(3), []
    for _ in range(SETS):
        scores = random.random(201) ** 0.3
        share.append(scores[200] >= conformal_limit(scores[:200], 0.05))
    assert np.mean(share) == pytest.approx(0.95, abs=NOISE)
    assert conformal_limit(np.full(48, 0.9), 0.02) == 0 and conformal_limit(np.full(49, 0.9), 0.02) == 0.9


def test_the_limit_is_between_the_answered_and_the_other_images():
    """183 right images with high confidence prove 2 %; images as sure as each other are answered together."""
    assert [images_needed(error) for error in (0.01, 0.02, 0.05)] == [368, 183, 72]
    confidence = np.concatenate([np.full(183, 0.9), np.full(100, 0.5)])
    wrong = np.concatenate([np.zeros(183, bool), np.ones(100, bool)])
    assert best_promise(confidence, wrong, 0.02) == (0.02, pytest.approx(0.7))
    assert best_promise(confidence, np.zeros(283, bool), 0.02) == (0.02, 0)
    assert best_promise(confidence[:182], wrong[:182], 0.02) == (0.021, 0)
    wrong[0] = True
    assert best_promise(confidence, wrong, 0.02) == (pytest.approx(0.031, abs=0.001), pytest.approx(0.7))


def test_what_cannot_be_promised_is_said_with_what_can():
    likely = np.tile([[0.9, 0.1]], (100, 1))
    found = choose_rejection(likely, np.zeros(100, int), np.arange(100), 0.02)
    assert found.error == pytest.approx(0.037, abs=1e-9) and found.limit == 0 and found.coverage == 1
    assert "thresholds.reject.error = 0.02 cannot be promised: at least 183 validation" in promise(found)
    assert "at most 3.7% of the labels are wrong" in promise(found)
    assert promise(found).endswith("every image gets a label, as all 100 validation images did")
    again = choose_rejection(likely, np.zeros(100, int), np.arange(100), found.error)
    assert again.error == again.wanted_error == found.error and "cannot" not in promise(again)
    wrong = choose_rejection(likely, np.ones(100, int), np.arange(100), 0.02)
    assert (wrong.error, wrong.limit) == (1.0, 0.0)


def test_one_image_of_each_group_counts():
    likely = np.tile([[0.9, 0.1]], (400, 1))
    found = choose_rejection(likely, np.zeros(400, int), np.repeat(np.arange(40), 10), 0.02)
    assert found.images == 40 and found.error > 0.02
