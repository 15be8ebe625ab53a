"""The verdicts of gates: each with the numbers that it depends on and a sentence with the reason."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from transferline.errors import TransferlineError
from transferline.metrics.significance import fewest_groups
from transferline.params import Limit, Promote
from transferline.problems.model_changes import ClassComparison
from transferline.registry.compared_images import ComparedImages
from transferline.registry.model_comparison import Comparison, Gain, Scored

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
    verdict = f"is {'' if passed else 'not '}good enough for a first champion"
    sentence = f"test {metric} {value:.4f} {verdict}, required is {limit}"
    return Gate(metric, "passed" if passed else "failed", sentence, {"challenger": value}, limit)


def improvement(gain: Gain, metric: str, promote: Promote) -> Gate:
    """Checks that the metric is better beyond noise, and by at least `min_improvement`."""
    passed, verdict = _compared(gain, promote)
    sentence = f"test {metric} {gain.challenger:.4f} is {verdict} the champion's {gain.champion:.4f}"
    sentence += f" on the same {_size(gain)}; {_noise(gain, promote.test.level)}"
    limit = f"permutation test at level {promote.test.level:g}, gain of at least {promote.min_improvement:g}"
    return Gate(metric, "passed" if passed else "failed", sentence, asdict(gain), limit)


def _compared(gain: Gain, promote: Promote) -> tuple[bool, str]:
    """Returns whether the challenger is better as `promote` requires, and the words between its value and the other."""
    if gain.gain <= 0:
        return False, "not better than"
    if not gain.is_beyond_noise(promote.test.level):
        return False, "not better beyond noise than"
    if gain.gain < promote.min_improvement:
        return False, f"better, but by less than promote.min_improvement = {promote.min_improvement:g}, than"
    return True, "better than"


def _size(gain: Gain) -> str:
    return f"{gain.images} images" + (f" in {gain.groups} group(s)" if gain.groups < gain.images else "")


def _noise(gain: Gain, level: float) -> str:
    words = f"gain {gain.gain:+.4f}, {1 - level:.0%} interval {gain.low:+.4f} to {gain.high:+.4f}"
    words += f", permutation test p = {gain.p_value:.2g}"
    needed = fewest_groups(level)
    return words + (f" (a test at level {level:g} needs at least {needed})" if gain.groups < needed else "")


def new_classes(change: Comparison, metric: str, measure: str, promote: Promote) -> Gate:
    """Checks the classes that the champion knows, if the challenger knows more; `promote.new_classes` decides how."""
    gain, wanted = change.common, promote.new_classes
    values = change.new_classes.items()
    new = ", ".join(f"{name} (" + (f"{measure} {v:.3f})" if v is not None else "no test image)") for name, v in values)
    limit = f"promote.new_classes: {wanted}"
    if gain is None:
        sentence = f"the champion does not know {new}, and no test image has a class that it knows ({limit})"
        return Gate("new classes", "passed" if wanted == "ignore" else "failed", sentence, {}, limit)
    passed, verdict = _compared(gain, promote)
    if wanted != "require":
        is_worse = gain.gain < 0 and gain.is_beyond_noise(promote.test.level)
        passed, verdict = not is_worse or wanted == "ignore", f"{'' if is_worse else 'not '}worse beyond noise than"
    sentence = (
        f"the champion does not know {new}; with the classes that it knows, test {metric} {gain.challenger:.4f} is "
        f"{verdict} its {gain.champion:.4f} on the same {_size(gain)}, {_noise(gain, promote.test.level)} ({limit})"
    )
    return Gate("new classes", "passed" if passed else "failed", sentence, asdict(gain), limit)


def above_floor(metric: str, value: float, floor: float, is_loss: bool, rule: str) -> Gate:
    """Checks that the metric is better than that of a model that has learned nothing."""
    passed = value < floor if is_loss else value > floor
    words = f"test {metric} {value:.4f} is {'' if passed else 'not '}better than {floor:.4f}, the value of a model that"
    numbers = {"challenger": value, "floor": floor}
    return Gate("floor", "passed" if passed else "failed", f"{words} always predicts {rule}", numbers, "floor")


def unseen(compared: ComparedImages, least: int) -> Gate:
    """Checks that each class keeps at least `least` images that the champion was not trained on."""
    sentence = f"both models are compared on {len(compared.rows)} images that neither was trained on"
    if compared.left_out:
        sentence += (
            f"; the champion was trained on {compared.left_out} other test image(s), on near duplicates of them, or on "
            "images of their groups"
        )
    if compared.short:
        short = ", ".join(f"{name} {count}" for name, count in compared.short.items())
        sentence += (
            f". Too few images are left ({short}; validate.min_images = {least}): restore the champion's data.split, "
            "add photographs, or promote with `transferline promote --force --reason WHY`"
        )
    numbers = {"images": len(compared.rows), "left_out": compared.left_out, **compared.short}
    return Gate("unseen images", "failed" if compared.short else "passed", sentence, numbers, f"min_images {least}")


def class_drops(classes: tuple[ClassComparison, ...], promote: Promote, measure: str) -> Gate:
    """Checks that the `measure` of no class falls.

    A class fails if the whole interval of its drop is above `max_class_drop`, or if it is above 0 at the level of the
    test divided by the number of classes. So a class that certainly gets worse fails, whatever the limit.
    """
    allowed, level = promote.max_class_drop, promote.test.level
    lost = sorted((one for one in classes if one.low > allowed or one.surely > 0), key=lambda one: -one.drop)
    worst = max(classes, key=lambda one: one.drop)
    named = "; ".join(_drop(one) for one in lost[:NAMED])
    limit = f"more than {allowed:g} at level {level:g}, or anything at level {level:g} / {len(classes)} classes"
    sentence = (
        f"{len(lost)} class(es) lose {measure} beyond noise ({limit}): {named}"
        if lost
        else f"no class loses {measure} beyond noise ({limit}); worst is {_drop(worst)}"
    )
    names = ("drop", "low", "high", "surely", "images", "groups")
    figures = {one.name: {name: getattr(one, name) for name in names} for one in classes}
    state: State = "failed" if lost else "passed"
    return Gate(f"{measure} of each class", state, sentence, figures, f"max_class_drop {allowed:g}")


def _drop(one: ClassComparison) -> str:
    size = f"{one.images} image(s)" + (f" in {one.groups} group(s)" if one.groups < one.images else "")
    interval = f"[{-one.high:+.3f}, {-one.low:+.3f}]"
    return f"{one.name} {one.champion:.3f} → {one.challenger:.3f}, {-one.drop:+.3f} {interval} on {size}"


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
