"""Metrics compared with numbers that were computed by hand."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn

from transferline.evaluation.scoring import metrics_of
from transferline.metrics import intervals, resampling
from transferline.metrics.calibration import calibration_gaps, expected_calibration_error
from transferline.metrics.classification import CLASSIFICATION, log_losses
from transferline.metrics.intervals import share_with_interval, with_intervals
from transferline.metrics.labelled_images import LabelledImages
from transferline.metrics.resampling import mean_of
from transferline.params import Evaluate

PARAMS = Evaluate(seed=1, bootstrap=2000, confidence=0.95, gallery=4)

LABELS = np.array(["a", "a", "a", "b", "b", "c"])
PREDICTED = np.array(["a", "a", "b", "b", "c", "c"])
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.3, 0.6, 0.1], [0.1, 0.7, 0.2], [0.2, 0.3, 0.5], [0.05, 0.05, 0.9]]
)


def classification_metrics(
    labels: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...] = ("a", "b", "c")
) -> dict[str, Any]:
    """The metrics of a table of predictions that holds these."""
    columns = {f"probability_{name}": column for name, column in zip(classes, probabilities.T, strict=True)}
    table = {"label": labels, "predicted": predicted, "confidence": probabilities.max(axis=1)} | columns
    return metrics_of(pd.DataFrame(table).assign(group=range(len(labels))), classes, PARAMS, "multiclass")


def without_intervals(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not name.endswith(("_low", "_high"))}


def test_figures_of_three_classes() -> None:
    figures = classification_metrics(LABELS, PREDICTED, PROBABILITIES)
    assert figures["n"] == 6
    assert figures["accuracy"] == pytest.approx(4 / 6)
    assert figures["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    # a: precision 1, recall 2/3; b: 1/2, 1/2; c: 1/2, 1
    assert figures["macro_f1"] == pytest.approx((4 / 5 + 1 / 2 + 2 / 3) / 3)
    assert figures["log_loss"] == pytest.approx(-sum(map(math.log, (0.8, 0.5, 0.3, 0.7, 0.3, 0.9))) / 6)
    found = figures["per_class"]["a"]
    assert without_intervals(found) == pytest.approx(
        {"precision": 1, "recall": 2 / 3, "f1": 0.8, "support": 3, "roc_auc": 1}
    )
    assert [found["recall_low"], found["recall_high"]] == pytest.approx(intervals.wilson(2 / 3, 3, 0.95))
    assert [found["precision_low"], found["precision_high"]] == pytest.approx(intervals.wilson(1, 2, 0.95))
    low, high = intervals.wilson(2 / 3, 3, 0.95)  # of three images that are a or predicted as a, two are both
    assert [found["f1_low"], found["f1_high"]] == pytest.approx([2 * low / (1 + low), 2 * high / (1 + high)])
    # for b, of 2 × 4 pairs: 0.7 beats four; 0.3 beats 0.1 and 0.05, ties with 0.3, loses to 0.6
    assert figures["per_class"]["b"]["roc_auc"] == pytest.approx((4 + 2.5) / 8)
    assert figures["roc_auc"] == pytest.approx((1 + 6.5 / 8 + 1) / 3)
    for name in ("balanced_accuracy", "macro_f1", "log_loss", "roc_auc"):
        assert figures[f"{name}_low"] < figures[name] < figures[f"{name}_high"]


def test_a_class_that_the_labels_lack_has_no_area_and_no_part_in_the_means() -> None:
    keep = LABELS != "c"
    figures = classification_metrics(LABELS[keep], PREDICTED[keep], PROBABILITIES[keep])
    assert figures["per_class"]["c"]["roc_auc"] is None
    assert figures["per_class"]["c"]["support"] == 0
    assert figures["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_labels_of_one_class_only() -> None:
    figures = classification_metrics(LABELS[:3], PREDICTED[:3], PROBABILITIES[:3, :2], ("a", "b"))
    assert figures["roc_auc"] is figures["roc_auc_low"] is None
    assert figures["accuracy"] == pytest.approx(2 / 3)


def test_binary_area_is_that_of_the_second_class() -> None:
    positive = np.array([0.1, 0.6, 0.4, 0.9])
    probabilities = np.stack([1 - positive, positive], axis=1)
    labels, predicted = np.array(["no", "no", "yes", "yes"]), np.array(["no", "yes", "no", "yes"])
    figures = classification_metrics(labels, predicted, probabilities, ("no", "yes"))
    assert figures["roc_auc"] == pytest.approx(3 / 4)


def test_top_5_accuracy_is_scikit_learns_and_an_unknown_label_is_wrong() -> None:
    random = np.random.default_rng(7)
    true, probabilities = random.integers(0, 9, 200), random.dirichlet(np.ones(9), 200)
    names = np.array(list("abcdefghi"))
    found = classification_metrics(names[true], names[probabilities.argmax(axis=1)], probabilities, tuple(names))
    wanted = sklearn.top_k_accuracy_score(true, probabilities, k=5)
    assert 0 < wanted < 1 and found["top_5_accuracy"] == pytest.approx(wanted)
    unknown = classification_metrics(np.array(["z"]), names[:1], probabilities[:1], tuple(names))
    assert unknown["top_5_accuracy"] == 0


def test_interval_of_an_accuracy_is_wilsons() -> None:
    # Newcombe, Statistics in Medicine 17, 1998, table I, method 3: 81 of 263, and 0 of 20
    assert list(share_with_interval("accuracy", np.arange(263) < 81, np.arange(263), 0.95).values()) == pytest.approx(
        [81 / 263, 0.2553, 0.3662], abs=5e-5
    )
    assert share_with_interval("accuracy", np.zeros(20, bool), np.arange(20), 0.95)["accuracy_high"] == pytest.approx(
        0.1611, abs=5e-5
    )
    assert share_with_interval("accuracy", np.ones(20, bool), np.arange(20), 0.95)["accuracy_low"] == pytest.approx(
        1 - 0.1611, abs=5e-5
    )


def test_figures_of_weighted_images_are_scikit_learns() -> None:
    random = np.random.default_rng(4)
    true, said = random.integers(0, 4, (2, 90))
    probabilities = np.round(random.dirichlet(np.ones(4), 90), 1)  # with ties
    weights = random.integers(0, 4, (3, 90)).astype(float)
    images = LabelledImages(
        np.eye(4, dtype=bool)[true], np.eye(4, dtype=bool)[said], probabilities, tuple("abcd"), np.arange(90)
    )
    for row, weight in enumerate(weights):
        areas = [sklearn.roc_auc_score(true == n, probabilities[:, n], sample_weight=weight) for n in range(4)]
        expected = {
            "accuracy": sklearn.accuracy_score(true, said, sample_weight=weight),
            "balanced_accuracy": sklearn.balanced_accuracy_score(true, said, sample_weight=weight),
            "macro_f1": sklearn.f1_score(true, said, average="macro", sample_weight=weight),
            "roc_auc": np.mean(areas),
        }
        found = {name: CLASSIFICATION[name].figure(images)(weights)[row] for name in expected}
        assert found == pytest.approx(expected)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    random, params = np.random.default_rng(2), Evaluate(seed=1, bootstrap=400, confidence=0.9, gallery=4)
    inside = []
    for _ in range(200):
        found = with_intervals({"mean": mean_of(random.normal(3, 1, 60))}, np.arange(60), params)
        inside.append(found["mean_low"] <= 3 <= found["mean_high"])
    assert 0.83 <= np.mean(inside) <= 0.96


def test_draws_in_parts_are_whole_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "MOST_WEIGHTS", 30)
    parts = list(resampling.draw_weights(np.arange(7), Evaluate(seed=1, bootstrap=101, confidence=0.9, gallery=4)))
    assert len(parts) > 20
    assert (np.concatenate(parts).sum(axis=1) == np.full(101, 7)).all()


def test_calibration_error_of_a_constructed_case() -> None:
    # two images in the bin (0.6, 0.667], one right: |0.5 - 0.65|; three sure and right: |1 - 1|; one at a bin's end
    confidence = np.array([0.64, 0.66, 1.0, 1.0, 1.0, 0.4])
    correct = np.array([True, False, True, True, True, False])
    error = (2 * 0.15 + 3 * 0 + 0.4) / 6
    assert expected_calibration_error(confidence, correct) == pytest.approx(error)
    gaps = calibration_gaps(confidence[:, None], correct[:, None])
    assert np.abs(gaps.mean(axis=0)).sum() == pytest.approx(error)


def test_log_loss_of_an_unknown_label_is_that_of_probability_zero() -> None:
    losses = log_losses(np.array([[True, False], [False, False]]), np.array([[1.0, 0.0], [0.5, 0.5]]))
    assert losses.tolist() == pytest.approx([0, -math.log(np.finfo(np.float32).eps)])


def test_a_model_with_other_classes_is_judged_by_name() -> None:
    predictions = pd.DataFrame(
        {
            "group": list("123"),
            "label": ["cat", "dog", "fox"],
            "predicted": ["cat", "wolf", "dog"],
            "confidence": [0.7, 0.6, 0.9],
            "probability_wolf": [0.1, 0.6, 0.1],
            "probability_dog": [0.2, 0.4, 0.9],
            "probability_cat": [0.7, 0.0, 0.0],
        }
    )
    figures = metrics_of(predictions, ("cat", "dog", "fox", "owl"), PARAMS, "multiclass")
    assert figures["accuracy"] == pytest.approx(1 / 3)
    owl = dict.fromkeys(("precision", "recall", "f1", "roc_auc"))
    assert without_intervals(figures["per_class"]["owl"]) == {**owl, "support": 0}, "no image has or gets the class"
    assert figures["per_class"]["cat"]["roc_auc"] == 1
    fox = figures["per_class"]["fox"]
    assert without_intervals(fox) == {"precision": None, "recall": 0, "f1": 0, "support": 1, "roc_auc": 0.5}
    assert fox["precision_low"] is None and fox["recall_low"] == 0 < fox["recall_high"] < 1
    assert figures["log_loss"] == pytest.approx(
        -(math.log(0.7) + math.log(0.4) + math.log(np.finfo(np.float32).eps)) / 3
    )
    # the confidence is that of what was predicted, whether today's classes hold it or not
    assert figures["expected_calibration_error"] == pytest.approx((0.3 + 0.6 + 0.9) / 3)
