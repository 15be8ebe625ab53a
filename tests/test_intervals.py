"""Intervals of metrics: by groups, never a point, and as often right as they say."""

import numpy as np
import pytest

from tests.test_metrics import PARAMS, classification_metrics
from transferline.metrics import intervals, resampling
from transferline.metrics.calibration import calibration_gaps
from transferline.metrics.intervals import share_with_interval, with_intervals
from transferline.metrics.resampling import mean_of
from transferline.params import Evaluate


def test_whole_groups_are_drawn() -> None:
    groups = np.array([2, 0, 1, 0, 2, 2])
    weights = np.concatenate(list(resampling.draw_weights(groups, PARAMS)))
    for group in range(3):
        of_group = weights[:, groups == group]
        assert (of_group == of_group[:, :1]).all()
        assert of_group[:, 0].mean() == pytest.approx(1, abs=0.05)
    assert (weights[:, [1, 2, 0]].sum(axis=1) == 3).all()


def test_no_interval_of_a_perfect_or_a_useless_model_is_a_point() -> None:
    labels, probabilities = np.array(list("ab") * 10), np.tile(np.eye(2), (10, 1))
    right = classification_metrics(labels, labels, probabilities, ("a", "b"))
    wrong = classification_metrics(labels, labels[::-1], 1 - probabilities, ("a", "b"))
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc"):
        assert right[name] == right[f"{name}_high"] == 1 > right[f"{name}_low"] > 0.8
        assert wrong[name] == wrong[f"{name}_low"] == 0 < wrong[f"{name}_high"] < 0.2
    for name in ("precision", "recall", "f1"):
        assert right["per_class"]["a"][f"{name}_low"] < 1 and wrong["per_class"]["a"][f"{name}_high"] > 0
    assert right["expected_calibration_error"] == 0 < right["expected_calibration_error_high"] < 0.2


@pytest.mark.parametrize(
    ("groups", "share", "correlation"), [(20, 0.9, 0.4), (20, 0.97, 0.1), (50, 0.97, 0.4), (10, 0.7, 0)]
)
def test_intervals_of_groups_cover_the_truth_about_as_often_as_they_say(
    groups: int, share: float, correlation: float
) -> None:
    """Each group has its own share, and 20 images. docs/statistics.md has more cases."""
    random, inside = np.random.default_rng(3), {"groups": 0, "images": 0}
    prior = np.array([share, 1 - share]) * (1 - correlation) / max(correlation, 1e-9)
    for _ in range(1000):
        of_group = random.beta(*prior, groups) if correlation else np.full(groups, share)
        flags, numbers = (random.random((20, groups)) < of_group).ravel(), np.tile(np.arange(groups), 20)
        for name, of in (("groups", numbers), ("images", np.arange(len(flags)))):
            found = share_with_interval("accuracy", flags, of, 0.95)
            inside[name] += found["accuracy_low"] <= share <= found["accuracy_high"]
    assert 930 <= inside["groups"] <= 995
    assert inside["images"] >= 930 if correlation == 0 else inside["images"] < 830


def test_bootstrap_intervals_of_groups_cover_the_truth() -> None:
    random, params, inside = np.random.default_rng(6), Evaluate(bootstrap=200), []
    groups = np.tile(np.arange(20), 10)
    for _ in range(200):
        values = random.normal(0.5, 0.1, 20)[groups] + random.normal(0, 0.1, 200)
        found = with_intervals({"mean": mean_of(values)}, groups, params, {"mean"})
        inside.append(found["mean_low"] <= 0.5 <= found["mean_high"])
    assert 0.9 <= np.mean(inside) <= 0.98


def test_an_interval_is_not_narrower_if_fewer_groups_are_wrong() -> None:
    groups = np.repeat(np.arange(20), 10)
    found = [share_with_interval("accuracy", groups >= wrong, groups, 0.95) for wrong in range(6)]
    lows = [one["accuracy_low"] for one in found]
    assert lows == sorted(lows, reverse=True) and lows[0] == pytest.approx(intervals.wilson(1, 20, 0.95)[0])


def test_the_calibration_interval_covers_a_calibrated_and_a_wrong_model() -> None:
    random, inside = np.random.default_rng(5), {0.0: 0, 0.2: 0}
    for _ in range(100):
        for error in inside:
            confidence = random.uniform(0.5, 1, (300, 1))
            gaps = calibration_gaps(confidence, random.random((300, 1)) < confidence - error)
            found = intervals.error_with_interval("error", gaps, np.arange(300), Evaluate(bootstrap=200))
            assert found["error_low"] <= found["error"] <= found["error_high"] < error + 0.2
            inside[error] += found["error_low"] <= error <= found["error_high"]
    assert min(inside.values()) >= 90
