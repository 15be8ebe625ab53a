"""The comparison of two multilabel models and of two segmentations: floors, new classes, the change of each class."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from transferline.models.exported import ModelCard
from transferline.params import Evaluate, Image, Problem, SignificanceTest
from transferline.problems.evaluation import evaluation_of
from transferline.problems.metric_choice import METRICS
from transferline.registry.model_comparison import Scored, compare_models, floor_of

EVALUATE = Evaluate(seed=3, bootstrap=200, confidence=0.95, gallery=4)
TEST = SignificanceTest()
CLASSES = ("background", "cat", "dog")
PIXELS = 100


def scored(problem: Problem, table: dict[str, Any], classes: tuple[str, ...] = CLASSES) -> Scored:
    image = Image(size=32, color="rgb", resize="stretch")
    card = ModelCard(candidate="a", phase="head", problem=problem, classes=classes, image=image)
    return Scored(card, pd.DataFrame(table).rename_axis("group").reset_index(), {}, 1.0, 1.0, None, None)


def segmentation(cats: list[int], classes: tuple[str, ...] = CLASSES) -> Scored:
    """Images of 60 pixels of background, which are right, 20 of cat and 20 of dog; so many pixels of cat are right.

    The dogs are right if the model knows the class. Wrong pixels are predicted as background.
    """
    dogs = 20 * ("dog" in classes)
    matrices = [np.array([[60, 0, 0, 0], [20 - right, right, 0, 0], [20 - dogs, 0, dogs, 0]]) for right in cats]
    table = {"path": [str(i) for i in range(len(cats))], "confusion": [matrix.ravel() for matrix in matrices]}
    return scored("segmentation", table | {"pixels": PIXELS, "loss": 9.0, "boundary_f": 0.5, "mean_iou": 0.5}, classes)


def multilabel(labels: list[str], predicted: list[str], classes: tuple[str, ...] = CLASSES) -> Scored:
    of_class = {f"probability_{name}": [0.8 if name in one else 0.1 for one in predicted] for name in classes}
    return scored("multilabel", {"label": labels, "predicted": predicted, "confidence": 0.8} | of_class, classes)


def test_the_floor_of_a_segmentation_predicts_the_class_of_most_pixels():
    model = segmentation([20] * 10)
    assert floor_of(model, CLASSES, "pixel_accuracy", EVALUATE) == 0.6
    assert floor_of(model, CLASSES, "mean_iou", EVALUATE) == pytest.approx(0.6 / 3)
    entropy = -(0.6 * np.log(0.6) + 2 * 0.2 * np.log(0.2))
    assert floor_of(model, CLASSES, "log_loss", EVALUATE) == pytest.approx(entropy)


def test_the_floor_of_a_multilabel_model_predicts_the_frequencies():
    labels = ["background|cat"] * 6 + ["background"] * 2 + ["dog"] * 2
    model = multilabel(labels, labels)
    assert floor_of(model, CLASSES, "mean_average_precision", EVALUATE) == pytest.approx((0.8 + 0.6 + 0.2) / 3)
    assert floor_of(model, CLASSES, "subset_accuracy", EVALUATE) == 0.6  # background and cat for each image


@pytest.mark.parametrize("problem", METRICS)
def test_each_metric_has_a_floor(problem):
    labels = ["cat"] * 6 + ["dog"] * 4 + ["background"] * 4
    model = segmentation([9] * 14) if problem == "segmentation" else multilabel(labels, labels)
    table = model.predictions.assign(label=labels)
    images = evaluation_of(problem).floor_images(evaluation_of(problem).images(table, CLASSES))
    assert all(np.isfinite(metric.figure(images)(np.ones((1, 14)))).all() for metric in METRICS[problem].values())


def test_the_iou_of_each_class_is_compared_by_groups():
    old, new = segmentation([18] * 60), segmentation([10] * 60)
    alone = compare_models(old, new, CLASSES, "mean_iou", TEST, EVALUATE)
    cat = alone.classes[1]
    assert (cat.champion, cat.challenger, cat.images, cat.groups) == (0.9, 0.5, 60, 60)
    assert 0 < cat.surely < cat.low < cat.drop < cat.high and cat.drop == pytest.approx(0.4)
    for model in (old, new):
        model.predictions["group"] //= 20
    grouped = compare_models(old, new, CLASSES, "mean_iou", TEST, EVALUATE)
    assert grouped.classes[1].low < 0 and grouped.classes[1].groups == grouped.whole.groups == 3
    assert alone.whole.is_beyond_noise(0.05) and not grouped.whole.is_beyond_noise(0.05)


def test_a_segmentation_with_a_new_class_is_compared_on_the_others():
    old, new = segmentation([10] * 30, CLASSES[:2]), segmentation([10] * 30)
    change = compare_models(old, new, CLASSES, "mean_iou", TEST, EVALUATE)
    assert change.new_classes == {"dog": 1.0} and change.common.images == 30
    assert change.common.gain == 0 < change.whole.gain and change.common.champion == pytest.approx((60 / 70 + 0.5) / 2)


def test_a_multilabel_model_with_a_new_class_is_compared_on_the_others():
    labels = ["cat|dog", "cat", "background", "dog"] * 10
    old = multilabel(labels, [one.replace("cat|dog", "cat").replace("dog", "") for one in labels], CLASSES[:2])
    change = compare_models(old, multilabel(labels, labels), CLASSES, "micro_f1", TEST, EVALUATE)
    assert change.new_classes == {"dog": 1.0} and change.common.gain == 0 and change.common.images == 40
    assert change.whole.gain > 0
