"""The gates that a challenger has to pass, each with its figures and a sentence that says why."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from transferline.errors import TransferlineError
from transferline.models.exported import ModelCard, check_parity
from transferline.models.lite import LiteModel
from transferline.params import Limit, Promote
from transferline.params.problem_kinds import KINDS
from transferline.problems.model_changes import ClassComparison
from transferline.registry.model_comparison import Comparison, Scored

NAMED = 5
RECALL = "{} of each class"
LATENCY = "latency of one image in ms"
NO_CHAMPION = "there is no champion yet"


State = Literal["passed", "failed", "not applicable"]


@dataclass(frozen=True)
class Gate:
    """One gate.

    Attributes:
        name: of the gate.
        state: its verdict; not applicable where no limit is set, or where there is nothing to compare with.
        sentence: the verdict with its figures, for people.
        figures: the numbers that it was decided on.
        limit: what they must keep to; empty without one.
    """

    name: str
    state: State
    sentence: str
    figures: dict[str, Any] = field(default_factory=dict)
    limit: str = ""


def first_value(challenger: Scored, metric: str, least: float, is_loss: bool) -> Gate:
    """Without a champion, the metric must reach `least`, or not exceed it if it is a loss."""
    value = challenger.metrics[metric]
    passed = value <= least if is_loss else value >= least
    limit = f"at {'most' if is_loss else 'least'} promote.min_value = {least:g}"
    sentence = f"the first champion: test {metric} {value:.4f}, wanted is {limit}"
    return Gate(metric, "passed" if passed else "failed", sentence, {"challenger": value}, limit)


def improvement(change: Comparison, champion: Scored, challenger: Scored, metric: str, promote: Promote) -> Gate:
    """The metric must be better beyond noise, and by at least `min_improvement`."""
    old, new, test = champion.metrics[metric], challenger.metrics[metric], promote.test
    interval = f"[{change.low:+.4f}, {change.high:+.4f}]"
    noise = (
        f"McNemar's test p = {change.p_value:.2g}" if change.p_value is not None else f"{1 - test.level:.0%} interval"
    )
    figures = f"test {metric} {new:.4f}, champion {old:.4f} on the same {len(champion.predictions)} images"
    beyond = change.low > 0 if change.p_value is None else change.p_value < test.level
    state: State
    if change.gain <= 0:
        state, verdict = "failed", "no improvement"
    elif not beyond:
        state, verdict = "failed", "not better beyond noise"
    elif change.gain < promote.min_improvement:
        state, verdict = "failed", f"better, but below promote.min_improvement = {promote.min_improvement:g}"
    else:
        state, verdict = "passed", "better"
    numbers = {"challenger": new, "champion": old, "gain": change.gain, "low": change.low, "high": change.high}
    numbers |= {"p_value": change.p_value} if change.p_value is not None else {}
    limit = f"{test.kind} at level {test.level:g}, gain of at least {promote.min_improvement:g}"
    return Gate(metric, state, f"{verdict}: {figures}, gain {change.gain:+.4f} {interval}, {noise}", numbers, limit)


def class_recall(classes: tuple[ClassComparison, ...], allowed: float, measure: str = "recall") -> Gate:
    """No class may lose more of its recall, or other `measure`, than `allowed`; a loss counts if its whole interval is
    beyond."""
    lost = sorted((one for one in classes if one.low > allowed), key=lambda one: -one.drop)
    worst = max(classes, key=lambda one: one.drop)
    named = [_drop(one) for one in lost[:NAMED]]
    sentence = (
        f"{len(lost)} class(es) lose more than {allowed:g} beyond noise: {'; '.join(named)}"
        if lost
        else f"no class loses more than {allowed:g} beyond noise; worst is {_drop(worst)}"
    )
    figures = {one.name: {"drop": one.drop, "low": one.low, "high": one.high, "images": one.images} for one in classes}
    return Gate(
        RECALL.format(measure), "failed" if lost else "passed", sentence, figures, f"max_class_drop {allowed:g}"
    )


def _drop(one: ClassComparison) -> str:
    interval = f"[{-one.high:+.3f}, {-one.low:+.3f}]"
    return f"{one.name} {one.champion:.3f} → {one.challenger:.3f}, {-one.drop:+.3f} {interval} on {one.images} image(s)"


def limited(name: str, key: str, promote: Promote, challenger: float | None, champion: Scored | None) -> Gate:
    """A figure must keep to the limit `promote.<key>`, from above if the key starts with max.

    Raises:
        TransferlineError: the limit is set, but there is no such figure.
    """
    limit: Limit | None = getattr(promote, key)
    old = _figures(champion)[key] if champion else None
    figures = {name: value for name, value in (("challenger", challenger), ("champion", old)) if value is not None}
    if limit is None:
        return Gate(name, "not applicable", f"promote.{key} is not set", figures)
    if limit.relative is not None and champion is None:
        return Gate(name, "not applicable", f"its limit is relative, and {NO_CHAMPION}", figures)
    if challenger is None or (limit.relative is not None and old is None):
        raise TransferlineError(
            f"promote.{key} sets a limit on the {name}, but the evaluation of the "
            f"{'challenger' if challenger is None else 'champion'} has no such figure; set promote.{key} to null, or "
            "evaluate it"
        )
    bound = limit.absolute if limit.absolute is not None else (limit.relative or 0) * (old or 0)
    is_ceiling = key.startswith("max_")
    words = f"at {'most' if is_ceiling else 'least'} {bound:.4g}"
    words += f" ({limit.relative:g} times the champion's {old:.4g})" if limit.relative is not None else ""
    passed = challenger <= bound if is_ceiling else challenger >= bound
    return Gate(name, "passed" if passed else "failed", f"{name} {challenger:.4g}, allowed is {words}", figures, words)


def _figures(scored: Scored) -> dict[str, float | None]:
    return {
        "max_calibration_error": scored.metrics.get("expected_calibration_error"),
        "max_latency_ms": scored.latency_ms,
        "max_size_mb": scored.size_mb,
        "min_corruption_accuracy": scored.corruption_accuracy,
        "min_adversarial_accuracy": scored.adversarial_accuracy,
    }


LIMITS = {
    "max_calibration_error": "expected calibration error",
    "max_latency_ms": LATENCY,
    "max_size_mb": "size on disk in MB",
    "min_corruption_accuracy": "accuracy under corruptions",
    "min_adversarial_accuracy": "accuracy under attacks",
}


def limits(promote: Promote, challenger: Scored, champion: Scored | None) -> list[Gate]:
    """The gates of the optional limits.

    Raises:
        TransferlineError: a limit is set, but there is no such figure.
    """
    new = _figures(challenger)
    return [limited(name, key, promote, new[key], champion) for key, name in LIMITS.items()]


def soundness(folder: Path, model: LiteModel, card: ModelCard) -> list[Gate]:
    """The reloaded model must answer as the trained one did, and take and give what its card says."""
    try:
        check_parity(model.probabilities, card, folder)
        reload = Gate("reload", "passed", "loaded again, it predicts as the trained model did")
    except TransferlineError as error:
        reload = Gate("reload", "failed", str(error))
    side, channels = card.image.size, 3 if card.image.color == "rgb" else 1
    takes, gives = (model.input_type, model.input_shape), model.output_shapes[0]
    wanted = (None, side, side) if KINDS[card.problem].has_masks else (None,)
    fits = takes == ("uint8", (None, side, side, channels)) and gives == (*wanted, len(card.classes))
    words = f"it takes {takes[0]} {takes[1]} and answers {gives} for {len(card.classes)} classes"
    return [reload, Gate("signature", "passed" if fits else "failed", words)]


def clean_data(success: bool) -> Gate:
    """The validation report of its data must say that it may be trained on."""
    words = "the validation report of its data is clean" if success else "its data did not pass validation"
    return Gate("validation", "passed" if success else "failed", words)


def all_classes(challenger: Scored, champion: Scored | None) -> Gate:
    """Its data must contain all classes of the champion."""
    if champion is None:
        return Gate("classes", "not applicable", NO_CHAMPION)
    missing = [name for name in champion.card.classes if name not in challenger.card.classes]
    if missing:
        return Gate("classes", "failed", f"the champion knows {', '.join(missing)}, which the challenger does not")
    return Gate("classes", "passed", f"it knows all {len(champion.card.classes)} classes of the champion")
