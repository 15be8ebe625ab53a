"""The gates of a promotion, with known metrics, and their statistics."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from transferline.errors import TransferlineError
from transferline.evaluation.scoring import metrics_of
from transferline.models.exported import ModelCard
from transferline.params import Evaluate, Image, Limit, Promote, SignificanceTest
from transferline.problems.metric_choice import metric_table
from transferline.registry import gates
from transferline.registry.compared_images import ComparedImages
from transferline.registry.gates import GateInputs
from transferline.registry.model_comparison import Scored, compare_models, floor_of

CLASSES = ("cat", "dog", "owl")
EVALUATE = Evaluate(seed=3, bootstrap=200, confidence=0.95, gallery=4)
TEST = SignificanceTest()
GATE_OF = {
    "latency_ms": gates.latency,
    "size_mb": gates.size,
    "corruption_accuracy": gates.corruption_accuracy,
    "adversarial_accuracy": gates.adversarial_accuracy,
}
NEEDS_MODEL = (gates.same_predictions, gates.signature)


def scored(labels: list[str], predicted: list[str], classes: tuple[str, ...] = CLASSES, **changes: object) -> Scored:
    """A model that gave these answers, each with a probability of 0.8."""
    image = Image(size=32, color="rgb", resize="stretch")
    card = ModelCard(candidate="a", phase="head", problem="multiclass", classes=classes, image=image)
    table = {"path": [f"{i}.png" for i in range(len(labels))], "label": labels, "predicted": predicted}
    table["group"] = table["path"]
    table["confidence"] = confidence = [0.8 + i / 1000 for i in range(len(labels))]
    table |= {f"probability_{name}": np.where(np.array(predicted) == name, confidence, 0.1) for name in classes}
    frame = pd.DataFrame(table)
    figures = {"latency_ms": 10.0, "size_mb": 4.0, "corruption_accuracy": None, "adversarial_accuracy": None} | changes
    return Scored(card, frame, metrics_of(frame, CLASSES, EVALUATE, "multiclass"), **figures)


def promotion(**changes: object) -> Promote:
    return Promote.model_validate({"model_name": "m", **changes})


def inputs(
    challenger: Scored,
    champion: Scored | None = None,
    metric: str = "accuracy",
    groups: list[int] | None = None,
    rolled_back: str = "",
    compared: ComparedImages | None = None,
    **limits: object,
) -> GateInputs:
    """Without a model: for the gates that look at its predictions."""
    settings, rows = promotion(**limits), challenger.predictions
    args = CLASSES, metric, settings.test, EVALUATE
    for model in (challenger, champion):
        if model and groups:
            model.predictions["group"] = groups
    return GateInputs(
        promote=settings,
        metric=metric,
        is_loss=metric_table("multiclass", EVALUATE)[metric].is_loss,
        challenger=challenger,
        champion=champion,
        change=compare_models(champion, challenger, *args) if champion else None,
        folder=Path(),
        model=None,
        data_passed=True,
        compared=compared or ComparedImages(rows),
        least_images=5,
        floor=floor_of(challenger, CLASSES, metric, EVALUATE),
        rolled_back=rolled_back,
    )


def answers(cats: int, dogs: int, owls: int, of: int = 100) -> tuple[list[str], list[str]]:
    """Labels, and predictions of which so many of each class are right."""
    labels = [name for name in CLASSES for _ in range(of)]
    wrong = {"cat": "dog", "dog": "owl", "owl": "cat"}
    right = dict(zip(CLASSES, (cats, dogs, owls), strict=True))
    return labels, [label if i % of < right[label] else wrong[label] for i, label in enumerate(labels)]


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "macro_f1", "log_loss", "roc_auc"])
def test_a_clear_improvement_passes_in_every_metric_and_its_reverse_does_not(metric):
    labels, good = answers(90, 90, 90)
    old, new = scored(*answers(60, 60, 60)), scored(labels, good)
    forth, back = inputs(new, old, metric), inputs(old, new, metric)
    gain = forth.change.whole
    assert 0 < gain.low < gain.gain < gain.high and back.change.whole.gain == -gain.gain
    assert gates.improvement(forth).state == "passed"
    gate = gates.improvement(back)
    assert gate.state == "failed" and "is not better than the champion's" in gate.sentence


def test_noise_and_too_small_a_gain_do_not_pass():
    old, slightly, clearly = (scored(*answers(n, 80, 80)) for n in (80, 82, 95))
    gate = gates.improvement(inputs(slightly, old))
    assert gate.state == "failed" and "not better beyond noise than" in gate.sentence
    assert gates.improvement(inputs(clearly, old)).state == "passed"
    gate = gates.improvement(inputs(clearly, old, min_improvement=0.2))
    assert gate.state == "failed" and "by less than promote.min_improvement = 0.2" in gate.sentence


def test_the_sentence_of_a_comparison_names_the_groups_behind_it():
    old, new = scored(*answers(60, 60, 60)), scored(*answers(90, 90, 90))
    assert "on the same 300 images; gain +0.3000" in gates.improvement(inputs(new, old)).sentence
    gate = gates.improvement(inputs(new, old, groups=[i // 10 for i in range(300)]))
    assert gate.state == "passed" and "on the same 300 images in 30 group(s); gain" in gate.sentence
    gate = gates.improvement(inputs(new, old, groups=[i // 100 for i in range(300)]))
    assert gate.state == "failed" and "(a test at level 0.05 needs at least 6)" in gate.sentence


def test_the_first_champion_needs_a_value():
    model = scored(*answers(90, 90, 90))
    for metric, value, state in [
        ("accuracy", 0.9, "passed"),
        ("accuracy", 0.91, "failed"),
        ("log_loss", 1.0, "passed"),
        ("log_loss", 0.1, "failed"),
    ]:
        assert gates.improvement(inputs(model, metric=metric, min_value=value)).state == state


def test_a_class_that_loses_fails_but_a_few_images_do_not_veto():
    old, new = scored(*answers(90, 90, 90)), scored(*answers(99, 99, 60))
    gate = gates.class_recall(inputs(new, old))
    assert gate.state == "failed" and "owl 0.900 → 0.600" in gate.sentence and "dog" not in gate.sentence
    few = inputs(scored(*answers(2, 2, 0, of=2)), scored(*answers(2, 2, 2, of=2)))
    assert gates.class_recall(few).state == "passed"
    assert [one.images for one in few.change.classes] == [2, 2, 2] and few.change.classes[2].drop == 1


def test_regressions_and_improvements_are_the_images_that_changed_sides():
    labels, old = ["cat", "cat", "dog", "owl"], ["cat", "dog", "dog", "cat"]
    models = scored(labels, old), scored(labels, ["dog", "cat", "owl", "cat"])
    change = compare_models(*models, CLASSES, "accuracy", TEST, EVALUATE)
    assert list(change.regressions) == [2, 0] and list(change.improvements) == [1]


@pytest.mark.parametrize(
    ("key", "figure", "limit", "new", "state"),
    [
        ("max_latency_ms", "latency_ms", Limit(absolute=12), 11.0, "passed"),
        ("max_latency_ms", "latency_ms", Limit(absolute=12), 13.0, "failed"),
        ("max_latency_ms", "latency_ms", Limit(relative=1.2), 11.0, "passed"),
        ("max_latency_ms", "latency_ms", Limit(relative=1.05), 11.0, "failed"),
        ("max_size_mb", "size_mb", Limit(relative=2), 8.5, "failed"),
        ("min_corruption_accuracy", "corruption_accuracy", Limit(relative=0.9), 0.7, "passed"),
        ("min_corruption_accuracy", "corruption_accuracy", Limit(relative=0.9), 0.5, "failed"),
        ("min_adversarial_accuracy", "adversarial_accuracy", Limit(absolute=0.2), 0.1, "failed"),
        ("max_latency_ms", "latency_ms", None, 99.0, "not applicable"),
    ],
)
def test_limits(key, figure, limit, new, state):
    old = scored(*answers(9, 9, 9, of=10), corruption_accuracy=0.7)
    model = scored(*answers(9, 9, 9, of=10), **{figure: new})
    assert GATE_OF[figure](inputs(model, old, **{key: limit})).state == state


def test_a_limit_without_a_figure_is_an_error_and_a_relative_one_waits_for_a_champion():
    model = scored(*answers(9, 9, 9, of=10))
    with pytest.raises(TransferlineError, match=r"promote\.min_corruption_accuracy sets a limit .* challenger has no"):
        gates.corruption_accuracy(inputs(model, min_corruption_accuracy=Limit(absolute=0.5)))
    calibration = gates.calibration_error(inputs(model, max_calibration_error=Limit(relative=1)))
    assert calibration.state == "not applicable" and "there is no champion yet" in calibration.sentence
    calibration = gates.calibration_error(inputs(model, max_calibration_error=Limit(absolute=0.05)))
    assert calibration.state == "failed"


def test_the_share_of_confident_predictions_can_be_limited():
    model = scored(*answers(9, 9, 9, of=10))  # 30 images with a confidence of 0.8, 0.801, …
    for confidence, state in [(0.8, "passed"), (0.814, "passed"), (0.816, "failed")]:
        limit = {"absolute": 0.5, "confidence": confidence}
        assert gates.confident_share(inputs(model, min_confident_share=limit)).state == state
    gate = gates.confident_share(inputs(model, min_confident_share={"absolute": 0.5}))
    assert gate.sentence == "share of confidences of at least 0.9 0, allowed is at least 0.5"
    assert gates.confident_share(inputs(model)).state == "not applicable"


def test_a_class_that_certainly_gets_worse_fails_whatever_the_limit():
    old, new = scored(*answers(80, 90, 90)), scored(*answers(55, 99, 99))
    gate = gates.class_recall(inputs(new, old, max_class_drop=0.5))
    assert gate.state == "failed" and "cat 0.800 → 0.550" in gate.sentence
    gate = gates.class_recall(inputs(scored(*answers(8, 9, 9, of=10)), scored(*answers(9, 9, 9, of=10))))
    assert gate.state == "passed" and "worst is cat 0.900 → 0.800" in gate.sentence


def test_the_loss_of_a_class_counts_groups_not_images():
    labels, right = answers(100, 100, 100)
    old, new = scored(labels, right), scored(*answers(60, 100, 100))
    assert gates.class_recall(inputs(new, old)).state == "failed"
    gate = gates.class_recall(inputs(new, old, groups=[i // 20 for i in range(300)]))
    assert gate.state == "passed" and "on 100 image(s) in 5 group(s)" in gate.sentence


def test_classes_of_the_champion_that_are_missing_are_named():
    labels, predicted = answers(1, 1, 1, of=1)
    old, new = scored(labels, predicted, (*CLASSES, "yak")), scored(labels, predicted)
    gate = gates.all_classes(inputs(new, old))
    assert "yak" in gate.sentence and gate.state == "failed"
    assert gates.all_classes(inputs(old, new)).state == "passed"


def test_each_limit_of_the_params_is_looked_at_by_one_gate():
    limits = [key for key, one in Promote.model_fields.items() if key.startswith(("max_", "min_")) and not one.default]
    model = scored(*answers(9, 9, 9, of=10), corruption_accuracy=0.7, adversarial_accuracy=0.1)
    asked = [gate for gate in gates.GATES if gate not in NEEDS_MODEL]
    for key in set(limits) - {"min_improvement"}:
        without, limited = inputs(model), inputs(model, **{key: {"absolute": 0.5}})
        assert sum(gate(limited) != gate(without) for gate in asked) == 1, key
