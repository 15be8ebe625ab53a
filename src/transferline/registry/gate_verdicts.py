"""The verdicts of gates: each with the numbers that it depends on and a sentence with the reason."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from transferline.errors import TransferlineError
from transferline.params import Limit, Promote
from transferline.problems.model_changes import ClassComparison
from transferline.registry.model_comparison import Comparison, Scored

NAMED = 5
NO_CHAMPION = "there is no champion yet"

Value = Callable[[Scored], float | None]
State = Literal["passed", "failed", "not applicable"]


@dataclass(frozen=True)
class Gate:
    """The verdict of one gate.

    Attributes:
        name: of the gate.
        state: its verdict; not applicable where no limit is set, or where there is nothing to compare with.
        sentence: the verdict with its numbers, for people.
        figures: the numbers that the verdict depends on.
        limit: the limit for these numbers; empty without one.
    """

    name: str
    state: State
    sentence: str
    figures: dict[str, Any] = field(default_factory=dict)
    limit: str = ""


def first_value(challenger: Scored, metric: str, least: float, is_loss: bool) -> Gate:
    """Checks a first champion: the metric must be at least `least`; a loss must be at most `least`."""
    value = challenger.metrics[metric]
    passed = value <= least if is_loss else value >= least
    limit = f"at {'most' if is_loss else 'least'} promote.min_value = {least:g}"
    verdict = "the first champion" if passed else "not good enough for a first champion"
    sentence = f"{verdict}: test {metric} {value:.4f}, required is {limit}"
    return Gate(metric, "passed" if passed else "failed", sentence, {"challenger": value}, limit)


def improvement(change: Comparison, champion: Scored, challenger: Scored, metric: str, promote: Promote) -> Gate:
    """Checks that the metric is better beyond noise, and by at least `min_improvement`."""
    old, new, test = champion.metrics[metric], challenger.metrics[metric], promote.test
    interval = f"[{change.low:+.4f}, {change.high:+.4f}]"
    noise = (
        f"McNemar's test p = {change.p_value:.2g}" if change.p_value is not None else f"{1 - test.level:.0%} interval"
    )
    values = f"test {metric} {new:.4f}, champion {old:.4f} on the same {len(champion.predictions)} images"
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
    return Gate(metric, state, f"{verdict}: {values}, gain {change.gain:+.4f} {interval}, {noise}", numbers, limit)


def class_drops(classes: tuple[ClassComparison, ...], allowed: float, measure: str) -> Gate:
    """Checks that the `measure` of no class falls by more than `allowed`.

    A drop counts only if its whole interval is above `allowed`.
    """
    lost = sorted((one for one in classes if one.low > allowed), key=lambda one: -one.drop)
    worst = max(classes, key=lambda one: one.drop)
    named = "; ".join(_drop(one) for one in lost[:NAMED])
    sentence = (
        f"{len(lost)} class(es) lose more than {allowed:g} beyond noise: {named}"
        if lost
        else f"no class loses more than {allowed:g} beyond noise; worst is {_drop(worst)}"
    )
    figures = {one.name: {"drop": one.drop, "low": one.low, "high": one.high, "images": one.images} for one in classes}
    state: State = "failed" if lost else "passed"
    return Gate(f"{measure} of each class", state, sentence, figures, f"max_class_drop {allowed:g}")


def _drop(one: ClassComparison) -> str:
    interval = f"[{-one.high:+.3f}, {-one.low:+.3f}]"
    return f"{one.name} {one.champion:.3f} → {one.challenger:.3f}, {-one.drop:+.3f} {interval} on {one.images} image(s)"


def within_limit(
    promote: Promote, key: str, name: str, value: Value, challenger: Scored, champion: Scored | None
) -> Gate:
    """Checks a value against the limit `promote.<key>`: a maximum if the key starts with max, else a minimum.

    Args:
        promote: the limits; None where one is not set.
        key: of the limit.
        name: of the value.
        value: returns the value of a model; None where its evaluation does not have it.
        challenger, champion: the models.

    Raises:
        TransferlineError: the limit is set, but there is no such value.
    """
    limit: Limit | None = getattr(promote, key)
    new, old = value(challenger), value(champion) if champion else None
    figures = {who: found for who, found in (("challenger", new), ("champion", old)) if found is not None}
    if limit is None:
        return Gate(name, "not applicable", f"promote.{key} is not set", figures)
    if limit.relative is not None and champion is None:
        return Gate(name, "not applicable", f"its limit is relative, and {NO_CHAMPION}", figures)
    if new is None or (limit.relative is not None and old is None):
        raise TransferlineError(
            f"promote.{key} sets a limit on the {name}, but the evaluation of the "
            f"{'challenger' if new is None else 'champion'} has no such value; set promote.{key} to null, or "
            "set `evaluate` so that it is measured"
        )
    bound = limit.absolute if limit.absolute is not None else (limit.relative or 0) * (old or 0)
    is_ceiling = key.startswith("max_")
    words = f"at {'most' if is_ceiling else 'least'} {bound:.4g}"
    words += f" ({limit.relative:g} times the champion's {old:.4g})" if limit.relative is not None else ""
    passed = new <= bound if is_ceiling else new >= bound
    return Gate(name, "passed" if passed else "failed", f"{name} {new:.4g}, allowed is {words}", figures, words)
