"""Gates about the floor, new classes, seen images and a model that was rolled back."""

import pytest

from tests.test_gates import CLASSES, answers, inputs, scored
from transferline.registry import gates
from transferline.registry.compared_images import ComparedImages


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "macro_f1", "log_loss", "roc_auc"])
def test_a_model_that_has_learned_nothing_never_passes(metric):
    labels = ["cat"] * 8 + ["dog"] * 2
    assert gates.above_floor(inputs(scored(labels, labels), metric=metric)).state == "passed"
    blind = inputs(scored(labels, ["cat"] * 10), metric=metric, min_value=0)
    gate = gates.above_floor(blind)
    assert gate.state == "failed" and gate.sentence.endswith("a model that always predicts the most frequent class")


@pytest.mark.parametrize(
    ("right", "states"),
    [
        ((90, 60), {"require": "passed", "allow": "passed", "ignore": "passed"}),
        ((61, 60), {"require": "failed", "allow": "passed", "ignore": "passed"}),
        ((30, 60), {"require": "failed", "allow": "failed", "ignore": "passed"}),
    ],
)
def test_a_challenger_with_a_new_class_is_compared_on_the_common_ones(right, states):
    """The champion does not know owl; `right` cats of 100, and as many dogs, are right for challenger and champion."""
    new, old = scored(*answers(right[0], right[0], 90)), scored(*answers(right[1], right[1], 0), CLASSES[:2])
    for wanted, state in states.items():
        found = inputs(new, old, new_classes=wanted)
        gate = gates.new_classes(found)
        assert gate.state == state, wanted
        assert "the champion does not know owl (recall 0.900)" in gate.sentence and "same 200 images" in gate.sentence
    assert found.change.common.champion == 0.6 and found.change.whole.champion == pytest.approx(0.4)
    assert gates.new_classes(inputs(old, new)).state == "not applicable"
    labels = ["cat"] * 6 + ["dog"] * 6
    gate = gates.new_classes(inputs(scored(labels, labels), scored(labels, labels, CLASSES[:2]), new_classes="allow"))
    assert "the champion does not know owl (no test image);" in gate.sentence


def test_images_that_the_champion_has_used_are_counted_and_too_few_others_fail():
    model = scored(*answers(9, 9, 9, of=10))
    gate = gates.unseen_images(inputs(model, model, compared=ComparedImages(model.predictions, left_out=3)))
    assert gate.state == "passed"
    assert "on 30 images that neither was trained on; the champion was trained on 3 other" in gate.sentence
    gate = gates.unseen_images(inputs(model, model, compared=ComparedImages(model.predictions, 3, {"owl": 2})))
    assert gate.state == "failed" and "owl 2; validate.min_images = 5" in gate.sentence and "--force" in gate.sentence
    assert gates.unseen_images(inputs(model)).state == "not applicable"


def test_a_model_that_was_rolled_back_fails():
    model = scored(*answers(9, 9, 9, of=10))
    assert gates.not_rolled_back(inputs(model)).state == "passed"
    gate = gates.not_rolled_back(inputs(model, rolled_back="it mixes up cats"))
    assert (gate.state, gate.sentence) == ("failed", "it mixes up cats")
