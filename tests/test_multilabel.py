"""Metrics and pictures of problems with any number of labels per image."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn

from transferline.datasets.tables import join_labels
from transferline.evaluation.scoring import metrics_of
from transferline.metrics.labelled_images import LabelledImages
from transferline.metrics.multilabel import MULTILABEL
from transferline.models.exported import ModelCard
from transferline.params import Evaluate, Image, SignificanceTest
from transferline.problems.evaluation import evaluation_of, label_evaluation_of
from transferline.problems.multilabel.multilabel_pictures import label_lines, replacements, worst_images

PARAMS = Evaluate(seed=1, bootstrap=1000, confidence=0.95, gallery=4)
CLASSES = ("car", "dog", "man")
TRUTH = np.array([[1, 0, 1], [1, 1, 0], [0, 0, 1], [0, 0, 0]], bool)
PREDICTED = np.array([[1, 0, 1], [0, 1, 0], [0, 1, 1], [0, 0, 1]], bool)
PROBABILITIES = np.array([[0.9, 0.2, 0.8], [0.3, 0.6, 0.1], [0.4, 0.7, 0.7], [0.1, 0.3, 0.75]])


def random_case(images: int, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    truth = random.random((images, classes)) < 0.3
    probabilities = np.clip(np.round(random.normal(0.4, 0.2, truth.shape) + 0.2 * truth, 1), 0.1, 0.9)
    return truth, probabilities > 0.5, probabilities


def multilabel_metrics(
    truth: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...] = CLASSES
) -> dict[str, Any]:
    """The metrics of a table of predictions that holds these."""
    named = {"label": join_labels(truth, classes), "predicted": join_labels(predicted, classes)}
    columns = {f"probability_{name}": column for name, column in zip(classes, probabilities.T, strict=True)}
    return metrics_of(pd.DataFrame(named | columns).assign(group=range(len(truth))), classes, PARAMS, "multilabel")


def test_figures_of_four_images() -> None:
    figures = multilabel_metrics(TRUTH, PREDICTED, PROBABILITIES)
    assert figures["n"] == 4
    # by falling probability car is right, wrong, right; dog wrong, right; man right, wrong, right
    precisions = [(1 + 2 / 3) / 2, 1 / 2, (1 + 2 / 3) / 2]
    assert figures["mean_average_precision"] == pytest.approx(sum(precisions) / 3)
    # 4 hits, 5 labels, 6 predicted; car 1 of 2 and 1, dog 1 of 1 and 2, man 2 of 2 and 3
    assert figures["micro_f1"] == pytest.approx(8 / 11)
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 4 / 5) / 3)
    assert figures["hamming_loss"] == pytest.approx(3 / 12)
    assert figures["subset_accuracy"] == pytest.approx(1 / 4)
    of_truth = [0.9, 0.8, 0.8, 0.3, 0.6, 0.9, 0.6, 0.3, 0.7, 0.9, 0.7, 0.25]
    assert figures["log_loss"] == pytest.approx(-sum(map(math.log, of_truth)) / 12)
    found = figures["per_class"]["dog"]
    assert {name: value for name, value in found.items() if not name.endswith(("_low", "_high"))} == {
        "average_precision": 0.5, "precision": 0.5, "recall": 1, "f1": pytest.approx(2 / 3), "support": 1,
        "roc_auc": pytest.approx(2 / 3),
    }  # fmt: skip
    assert found["average_precision_low"] < 0.5 < found["average_precision_high"]


def test_figures_of_weighted_images_are_scikit_learns() -> None:
    truth, predicted, probabilities = random_case(120, 5)
    weights = np.random.default_rng(6).integers(0, 4, (3, 120)).astype(float)
    images = LabelledImages(truth, predicted, probabilities, tuple("abcde"), np.arange(120))
    for row, weight in enumerate(weights):
        options = {"sample_weight": weight}
        expected = {
            "mean_average_precision": sklearn.average_precision_score(truth, probabilities, **options),
            "micro_f1": sklearn.f1_score(truth, predicted, average="micro", **options),
            "macro_f1": sklearn.f1_score(truth, predicted, average="macro", **options),
            "hamming_loss": sklearn.hamming_loss(truth, predicted, **options),
            "subset_accuracy": sklearn.accuracy_score(truth, predicted, **options),
            "log_loss": sklearn.log_loss(truth.ravel(), probabilities.ravel(), sample_weight=np.repeat(weight, 5)),
        }
        found = {name: metric.figure(images)(weights)[row] for name, metric in MULTILABEL.items()}
        assert found == pytest.approx(expected)


def test_intervals_are_those_of_resampled_images() -> None:
    truth, predicted, probabilities = random_case(60, 3)
    found = multilabel_metrics(truth, predicted, probabilities)
    draws = np.random.default_rng(9).integers(0, 60, (400, 60))
    means = [sklearn.average_precision_score(truth[drawn], probabilities[drawn]) for drawn in draws]
    ends = [found["mean_average_precision_low"], found["mean_average_precision_high"]]
    assert ends == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.02)
    for name in ("micro_f1", "macro_f1", "hamming_loss", "log_loss", "subset_accuracy"):
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]


def test_calibration_is_that_of_the_pairs() -> None:
    # of the six labels that are said with 0.2 half are there, of the two with 0.9 both
    truth = np.array([[1, 0, 1, 1], [0, 0, 1, 1]], bool)
    probabilities = np.array([[0.2, 0.2, 0.2, 0.9], [0.2, 0.2, 0.2, 0.9]])
    figures = multilabel_metrics(truth, truth, probabilities, ("a", "b", "c", "d"))
    assert figures["expected_calibration_error"] == pytest.approx((6 * 0.3 + 2 * 0.1) / 8)


def test_a_class_without_images_has_no_part_in_the_means() -> None:
    truth = TRUTH & [True, False, True]
    figures = multilabel_metrics(truth, PREDICTED, PROBABILITIES)
    assert figures["per_class"]["dog"]["average_precision"] is figures["per_class"]["dog"]["roc_auc"] is None
    assert figures["mean_average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_images_without_any_label() -> None:
    nothing = np.zeros((3, 2), bool)
    figures = multilabel_metrics(nothing, nothing, np.full((3, 2), 0.2), ("a", "b"))
    assert figures["mean_average_precision"] is figures["mean_average_precision_low"] is figures["micro_f1"] is None
    assert figures["subset_accuracy"] == 1 and figures["hamming_loss"] == 0


def test_predictions_are_judged_by_the_names_of_their_labels() -> None:
    predictions = pd.DataFrame(
        {
            "group": list("123"),
            "label": ["car|dog", "", "man"],
            "predicted": ["car|fox", "dog", "man"],
            "confidence": [0.9, 0.7, 0.8],
            "probability_car": [0.9, 0.2, 0.1],
            "probability_dog": [0.3, 0.7, 0.2],
            "probability_fox": [0.8, 0.1, 0.1],
        }
    )
    assert evaluation_of("multilabel").images(predictions, CLASSES).predicted.tolist() == [
        [True, False, False], [False, True, False], [False, False, True],
    ]  # fmt: skip
    figures = metrics_of(predictions, CLASSES, PARAMS, "multilabel")
    assert figures["hamming_loss"] == pytest.approx(2 / 9)
    # the model does not know man: a probability of 0, the same for every image
    assert figures["per_class"]["man"]["average_precision"] == pytest.approx(1 / 3)
    assert figures["per_class"]["man"]["recall"] == 1


def test_which_label_stands_for_which() -> None:
    truth = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 1]], bool)
    predicted = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [0, 1, 0]], bool)
    assert replacements(truth, predicted).tolist() == [
        [1, 1, 0, 1],  # car: found once, dog in its place once, missing without another once
        [0, 0, 1, 0],
        [0, 1, 0, 0],
        [0, 1, 0, 0],  # a dog too much
    ]


def test_worst_images_and_what_is_written_below_them() -> None:
    worst = worst_images(TRUTH, PREDICTED, PROBABILITIES, 2)
    losses = -np.log(np.where(TRUTH, PROBABILITIES, 1 - PROBABILITIES)).mean(axis=1)
    assert worst.tolist() == np.argsort(-losses)[:2].tolist() == [2, 3]
    assert worst_images(TRUTH, PREDICTED, PROBABILITIES, 9).tolist() == [2, 3, 1]
    lines = [text for text, _ in label_lines(TRUTH[1], PREDICTED[1], PROBABILITIES[1], CLASSES)]
    assert lines == ["missing car 30%", "dog 60%"]
    many = np.ones(9, bool)
    lines = [text for text, _ in label_lines(many, ~many, np.full(9, 0.1), tuple("abcdefghi"))]
    assert lines == ["missing a 10%", "missing b 10%", "missing c 10%", "missing d 10%", "and 5 more"]


def predictions(*rows: tuple[str, str, tuple[float, float]]) -> pd.DataFrame:
    """Predictions of car and person: true labels, predicted labels, and the probability of both classes."""
    table = pd.DataFrame([row[:2] for row in rows], columns=["label", "predicted"])
    shares, paths = [row[2] for row in rows], [f"{number}.png" for number in range(len(rows))]
    table[["probability_car", "probability_person"]] = shares
    return table.assign(path=paths, group=paths, confidence=[max(pair) for pair in shares])


MISTAKES = (
    ("car", "car|person", (0.99, 0.51)),
    ("car|person", "car", (0.97, 0.12)),
    ("car|person", "", (0.2, 0.45)),
    ("", "", (0.1, 0.1)),
)


def test_the_mistakes_come_first_of_which_the_model_is_most_certain() -> None:
    kind = label_evaluation_of("multilabel")
    found = kind.mistakes(predictions(*MISTAKES), ("car", "person"))
    assert found["path"].tolist() == ["1.png", "2.png", "0.png"]
    assert found["about"].tolist() == ["person", "car", "person"]
    assert found["certainty"].tolist() == pytest.approx([0.88, 0.8, 0.51])
    assert [kind.mistake_caption(row) for row in found.to_dict("records")] == [
        ["true: car|person", "predicted: car", "missing: person 12%"],
        ["true: car|person", "predicted: no label", "missing: car 20%"],
        ["true: car", "predicted: car|person", "wrong: person 51%"],
    ]


def test_changed_images_come_first_if_a_model_is_most_certain_of_its_mistake() -> None:
    wrong, kind = predictions(*MISTAKES), label_evaluation_of("multilabel")
    right = predictions(*((label, label, (0.9, 0.9)) for label, _, _ in MISTAKES))
    change = kind.compare(right, wrong, ("car", "person"), SignificanceTest(), 1)
    assert change.regressions.tolist() == [1, 2, 0] and not len(change.improvements)
    change = kind.compare(wrong, right, ("car", "person"), SignificanceTest(), 1)
    assert change.improvements.tolist() == [1, 2, 0] and not len(change.regressions)


def test_each_label_of_a_caption_has_its_own_probability() -> None:
    kind, image = label_evaluation_of("multilabel"), Image(size=32, color="rgb", resize="stretch")
    classes, thresholds = ("car", "person"), (0.5, 0.5)
    card = ModelCard(
        candidate="c", phase="head", problem="multilabel", classes=classes, image=image, thresholds=thresholds
    )
    captions = kind.shown(np.zeros((2, 8, 8, 3), np.uint8), np.array([[0.99, 0.51], [0.3, 0.1]]), card)[1]
    assert captions == ["car 99.0%, person 51.0%", "no label"]
    first, second, *_ = predictions(*MISTAKES).to_dict("records")
    assert kind.change_caption(second, first) == ["is car", "new: car 99%, person 51%", "old: car 97%"]
