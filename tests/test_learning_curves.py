"""Learning curves of heads on drawn features, and the power law that extrapolates them."""

import json

import numpy as np
import pytest

from tests.test_doubtful_labels import clouds
from transferline.insight.kept_together import nested_places
from transferline.insight.learning_curves import learning_curves, sentences
from transferline.insight.linear_heads import components
from transferline.insight.power_law import forecast
from transferline.not_applicable import NotApplicableError
from transferline.params import Evaluate

pytestmark = pytest.mark.usefixtures("one_thread")

PARAMS = Evaluate(bootstrap=200)
SIZES = np.array([50.0, 100, 150, 200, 300, 400])


def drawn_scores(error: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Right and wrong predictions of 4 seeds, with these error rates; an image is as difficult in all of them."""
    random = np.random.default_rng(seed)
    difficulty = 0.7 * random.random(n) + 0.3 * random.random((4, 1, n))
    return (difficulty > np.quantile(difficulty, error)[:, None]).astype(float)


@pytest.mark.parametrize(("exponent", "floor"), [(0.5, 0.0), (0.3, 0.05), (1.0, 0.1)])
def test_a_power_law_is_continued(exponent: float, floor: float) -> None:
    """From the expected error of each image: no noise, so that the gain is exact."""
    error = 0.3 * (SIZES / 50) ** -exponent + floor
    scores = np.tile((1 - error)[None, :, None], (4, 1, 60))
    found = forecast(SIZES, scores, np.arange(60), 2, PARAMS)
    assert found.gain == pytest.approx(0.3 * (8**-exponent - 16**-exponent), abs=2e-3)
    assert found.low <= found.gain <= found.high


def test_a_flat_curve_promises_nothing() -> None:
    found = forecast(SIZES, np.full((4, 6, 50), 0.9), np.arange(50), 2, PARAMS)
    assert found == pytest.approx((0, 0, 0), abs=1e-9)


def test_the_interval_holds_the_gain_in_8_of_10_draws() -> None:
    error = lambda size: 0.3 * (size / 50) ** -0.4  # noqa: E731
    hits, widths = 0, []
    for seed in range(10):
        scores = drawn_scores(error(np.append(SIZES, 800)), 300, seed)
        found = forecast(SIZES, scores[:, :-1], np.arange(300), 2, PARAMS)
        hits += found.low <= scores[:, -1].mean() - scores[:, -2].mean() <= found.high
        widths.append(found.high - found.low)
    assert hits >= 8 and np.mean(widths) < 0.04, (hits, widths)


def test_no_forecast_is_above_1() -> None:
    scores = np.sort(drawn_scores(np.array([0.5, 0.4, 0.2, 0.1, 0.04, 0.01]), 30, 0), axis=1)
    found = forecast(SIZES, scores, np.arange(30), 2, PARAMS)
    assert found.high + scores[:, -1].mean() <= 1 + 1e-9


@pytest.mark.parametrize("errors", [[0.5, 0.4, 0.3, 0.2, 0.1, 0.0], [0.5, 0.45, 0.4, 0.3, 0.2, 0.1]])
def test_the_interval_holds_the_forecast_also_where_nothing_is_wrong_any_more(errors: list[float]) -> None:
    scores = np.tile((1 - np.array(errors))[None, :, None], (4, 1, 60))
    found = forecast(SIZES, scores, np.arange(60), 2, PARAMS)
    assert found.low <= found.gain <= found.high <= errors[-1]


def test_images_of_one_group_give_a_wider_interval() -> None:
    scores = np.repeat(drawn_scores(0.3 * (SIZES / 50) ** -0.4, 40, 0), 10, axis=2)
    alone = forecast(SIZES, scores, np.arange(400), 2, PARAMS)
    grouped = forecast(SIZES, scores, np.arange(400) // 10, 2, PARAMS)
    assert grouped.gain == alone.gain and grouped.high - grouped.low > 2 * (alone.high - alone.low)


def test_subsets_are_nested_and_keep_units_whole() -> None:
    unit, labels = np.repeat(np.arange(40), 2), np.repeat(np.arange(40) % 2, 2)
    place = nested_places(unit, labels, 0)
    assert ((place >= 0) & (place < 1)).all() and (place[::2] == place[1::2]).all()
    for label in (0, 1):
        assert (place[labels == label] < 0.25).mean() == 0.25
        assert (place[labels == label] < 0.01).sum() == 2, "at least one unit"


def test_curves_overall_and_of_each_class() -> None:
    features, answers = clouds(300, distance=0.5)
    answers[:6] = 3  # a class with too few images for a curve
    about = [(name, 0, number) for number, name in enumerate("abcd")]
    found = learning_curves(components(features), np.arange(300), [answers], 4, about, PARAMS)
    overall = found["overall"]
    assert overall["images"][-1] == 240 and overall["images"] == sorted(overall["images"])
    assert overall["forecast"]["more"] == 300 and overall["values"][0] < overall["values"][-1]
    assert sorted(curve["class"] for curve in found["classes"]) == ["a", "b", "c"]
    first = found["classes"][0]
    assert first["forecast"]["more"] == 98 and abs(first["images"][-1] - 78) <= 1
    assert first["values"][0] < first["values"][-1] and first["forecast"]["gain"] > 0
    said = sentences(found)
    assert len(said) == 4
    assert said[0].startswith("300 more images of all classes change the share of right predictions by +")
    assert json.loads(json.dumps(found)) == found


def test_the_5_classes_with_the_lowest_recall_have_a_curve_the_lowest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 7 classes with 20 images, whose first value is the predicted class, one more each is predicted wrongly."""
    answers = np.repeat(np.arange(7), 20)
    wrong = np.arange(140) % 20 < np.array([3, 6, 0, 4, 1, 5, 2])[answers]
    values = np.where(wrong, (answers + 1) % 7, answers)[:, None].astype(float)
    predict = lambda train, answers, held_out, count, l2: np.eye(count)[held_out[:, 0].astype(int)]  # noqa: E731
    monkeypatch.setattr("transferline.insight.learning_curves.probabilities_of", predict)
    about = [(name, 0, number) for number, name in enumerate("abcdefg")]
    found = learning_curves(values, np.arange(140), [answers], 7, about, PARAMS)["classes"]
    assert [curve["class"] for curve in found] == ["b", "f", "d", "a", "g"]
    assert [curve["values"][-1] for curve in found] == pytest.approx([0.7, 0.75, 0.8, 0.85, 0.9])


def test_many_classes_with_few_groups_have_a_curve() -> None:
    """One eighth of four groups is no group: each subset has one of each class all the same."""
    features, answers = clouds(240, 12)
    unit = np.arange(240) // 12 // 5 * 12 + answers
    found = learning_curves(components(features), unit, [answers], 12, [("a", 0, 0)], PARAMS)
    assert found["overall"]["values"][-1] > 0.8 and found["classes"] == []


def test_each_of_several_labels_is_a_question() -> None:
    features, answers = clouds(120)
    questions = [(answers == 0).astype(int), (answers <= 1).astype(int)]
    found = learning_curves(components(features), np.arange(120), questions, 2, [("a", 0, 1), ("b", 1, 1)], PARAMS)
    assert found["overall"]["values"][-1] > 0.9
    assert {curve["class"]: curve["forecast"]["more"] for curve in found["classes"]} == {"a": 40, "b": 80}


def test_few_images_are_a_reason() -> None:
    features, answers = clouds(60)
    with pytest.raises(NotApplicableError, match="there are 20 images"):
        learning_curves(components(features), np.arange(60) // 3, [answers], 3, [], PARAMS)
