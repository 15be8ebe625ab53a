"""The gates that a challenger must pass.

Each gate is one function. The report lists them in the order of this file. The settings of the
gates are fields of `params.Promote`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from transferline.errors import TransferlineError
from transferline.models.exported import check_parity
from transferline.models.lite import LiteModel
from transferline.params import Promote
from transferline.params.problem_kinds import KINDS
from transferline.registry import gate_verdicts
from transferline.registry.compared_images import ComparedImages
from transferline.registry.gate_verdicts import NO_CHAMPION, Gate, Value
from transferline.registry.model_comparison import Comparison, Scored

LATENCY = "latency of one image in ms"


@dataclass(frozen=True)
class GateInputs:
    """The input of the gates.

    Attributes:
        promote: the limits of the gates.
        metric: `select.metric`.
        is_loss: whether the lowest value of the metric is the best.
        challenger: the challenger with its results on the current test set.
        champion: the champion with its results on the same images; None if there is none.
        change: the comparison of the two; None if there is no champion.
        folder: the challenger's model folder.
        model: the exported model from that folder.
        data_passed: whether `validate` accepted the data.
        compared: the test images, and those that were left out.
        least_images: `validate.min_images`.
        floor: the metric of a model that has learned nothing, on the same images.
        rolled_back: the reason why the model was rolled back, in a sentence; empty if it was not.
    """

    promote: Promote
    metric: str
    is_loss: bool
    challenger: Scored
    champion: Scored | None
    change: Comparison | None
    folder: Path
    model: LiteModel
    data_passed: bool
    compared: ComparedImages
    least_images: int
    floor: float
    rolled_back: str


Judge = Callable[[GateInputs], Gate]
GATES: list[Judge] = []  # `_gate` fills it


def judge(inputs: GateInputs) -> list[Gate]:
    """Returns the verdict of every gate. The gate on `select.metric` comes first.

    Raises:
        TransferlineError: a gate has a limit for a value that the evaluation does not contain.
    """
    return [gate(inputs) for gate in GATES]


def _gate(function: Judge) -> Judge:
    """Adds a function to the table of gates."""
    GATES.append(function)
    return function


@_gate
def improvement(inputs: GateInputs) -> Gate:
    """`select.metric` must be better than the champion's: significantly, and by at least `min_improvement`.

    If there is no champion, it must be at least `min_value`; a loss must be at most `min_value`.
    """
    if inputs.change:
        return gate_verdicts.improvement(inputs.change.whole, inputs.metric, inputs.promote)
    return gate_verdicts.first_value(inputs.challenger, inputs.metric, inputs.promote.min_value, is_loss=inputs.is_loss)


@_gate
def class_recall(inputs: GateInputs) -> Gate:
    """The recall of a class must not fall beyond noise: see `class_drops`. A segmentation uses the IoU."""
    measure = inputs.challenger.kind.compared
    if inputs.change:
        return gate_verdicts.class_drops(inputs.change.classes, inputs.promote, measure)
    return Gate(f"{measure} of each class", "not applicable", NO_CHAMPION)


@_gate
def above_floor(inputs: GateInputs) -> Gate:
    """`select.metric` must be better than that of a model that always predicts the most frequent class.

    In a multilabel problem, such a model predicts the class frequencies.
    """
    value, rule = inputs.challenger.metrics[inputs.metric], inputs.challenger.kind.floor_rule
    return gate_verdicts.above_floor(inputs.metric, value, inputs.floor, inputs.is_loss, rule)


@_gate
def unseen_images(inputs: GateInputs) -> Gate:
    """Enough test images of each class must be left that neither model was trained on."""
    if inputs.champion is None:
        return Gate("unseen images", "not applicable", NO_CHAMPION)
    return gate_verdicts.unseen(inputs.compared, inputs.least_images)


@_gate
def calibration_error(inputs: GateInputs) -> Gate:
    """The expected calibration error must not exceed its limit."""
    value = "expected_calibration_error"
    return _limited(inputs, "max_calibration_error", value.replace("_", " "), lambda scored: scored.metrics.get(value))


@_gate
def latency(inputs: GateInputs) -> Gate:
    """The time for one image must not exceed its limit."""
    return _limited(inputs, "max_latency_ms", LATENCY, lambda scored: scored.latency_ms)


@_gate
def size(inputs: GateInputs) -> Gate:
    """The size of the model file must not exceed its limit."""
    return _limited(inputs, "max_size_mb", "size on disk in MB", lambda scored: scored.size_mb)


@_gate
def corruption_accuracy(inputs: GateInputs) -> Gate:
    """The accuracy on corrupted images must reach its limit. Kinds without accuracy use their main metric."""
    name = "accuracy under corruptions"
    return _limited(inputs, "min_corruption_accuracy", name, lambda scored: scored.corruption_accuracy)


@_gate
def adversarial_accuracy(inputs: GateInputs) -> Gate:
    """The accuracy on attacked images must reach its limit. Kinds without accuracy use their main metric."""
    name = "accuracy under attacks"
    return _limited(inputs, "min_adversarial_accuracy", name, lambda scored: scored.adversarial_accuracy)


@_gate
def confident_share(inputs: GateInputs) -> Gate:
    """The share of test images that are predicted with high confidence must reach its limit."""
    limit = inputs.promote.min_confident_share
    name = f"share of confidences of at least {limit.confidence:g}" if limit else "share of high confidences"

    def share(scored: Scored) -> float | None:
        confidence = scored.predictions.get("confidence")
        return float((confidence >= limit.confidence).mean()) if limit and confidence is not None else None

    return _limited(inputs, "min_confident_share", name, share)


@_gate
def same_predictions(inputs: GateInputs) -> Gate:
    """The exported model must predict the same as the trained one."""
    try:
        check_parity(inputs.model.probabilities, inputs.challenger.card, inputs.folder)
    except TransferlineError as error:
        return Gate("reload", "failed", str(error))
    return Gate("reload", "passed", "the exported model predicts the same as the trained model")


@_gate
def signature(inputs: GateInputs) -> Gate:
    """The dtype and shape of the model's input, and the shape of its output, must agree with its card."""
    model, card = inputs.model, inputs.challenger.card
    side, channels = card.image.size, 3 if card.image.color == "rgb" else 1
    takes, gives = (model.input_type, model.input_shape), model.output_shapes[0]
    wanted = (None, side, side) if KINDS[card.problem].has_masks else (None,)
    fits = takes == ("uint8", (None, side, side, channels)) and gives == (*wanted, len(card.classes))
    words = f"the model takes {takes[0]} {takes[1]} and returns {gives} for {len(card.classes)} classes"
    return Gate("signature", "passed" if fits else "failed", words)


@_gate
def clean_data(inputs: GateInputs) -> Gate:
    """`validate` must have accepted the challenger's data."""
    passed = inputs.data_passed
    words = f"the challenger's data {'passed' if passed else 'did not pass'} validation"
    return Gate("validation", "passed" if passed else "failed", words)


@_gate
def not_rolled_back(inputs: GateInputs) -> Gate:
    """A model that was rolled back must not return before the data, the params or the code change."""
    if inputs.rolled_back:
        return Gate("rollback", "failed", inputs.rolled_back)
    return Gate("rollback", "passed", "this model was not rolled back")


@_gate
def new_classes(inputs: GateInputs) -> Gate:
    """With new classes, the challenger must still be good on the others; see `promote.new_classes`."""
    if inputs.change is None:
        return Gate("new classes", "not applicable", NO_CHAMPION)
    if not inputs.change.new_classes:
        return Gate("new classes", "not applicable", "the champion knows all classes of the challenger")
    return gate_verdicts.new_classes(inputs.change, inputs.metric, inputs.challenger.kind.class_measure, inputs.promote)


@_gate
def all_classes(inputs: GateInputs) -> Gate:
    """The challenger must know all classes of the champion."""
    if inputs.champion is None:
        return Gate("classes", "not applicable", NO_CHAMPION)
    known = inputs.champion.card.classes
    missing = [name for name in known if name not in inputs.challenger.card.classes]
    if missing:
        return Gate("classes", "failed", f"the champion knows {', '.join(missing)}, which the challenger does not")
    return Gate("classes", "passed", f"the challenger knows all {len(known)} classes of the champion")


def _limited(inputs: GateInputs, key: str, name: str, value: Value) -> Gate:
    return gate_verdicts.within_limit(inputs.promote, key, name, value, inputs.challenger, inputs.champion)
