"""Compares the evaluations of all candidates and chooses the best by validation; test metrics are only shown."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from transferline.errors import TransferlineError
from transferline.metrics.calibration import UNSCALED_ERROR
from transferline.metrics.rejection import promise
from transferline.models.exported import REFITTED, Phase, Rejection
from transferline.params.problem_kinds import KINDS
from transferline.plots import BLUE, ORANGE, picture
from transferline.problems.evaluation import EvaluationOfKind, evaluation_of
from transferline.text import images_in_groups

PHASES = get_args(Phase)
DIGITS = 4  # decimals on the page. Models whose values look equal there count as equal: most differences are rounding.


@dataclass(frozen=True)
class EvaluatedModel:
    """One evaluated model.

    Attributes:
        folder: the folder of its evaluation.
        candidate, phase: of the model.
        metrics: the content of its `metrics.json`.
        latency: the content of its `latency.json`.
    """

    folder: Path
    candidate: str
    phase: str
    metrics: dict[str, Any]
    latency: dict[str, float]

    @property
    def name(self) -> str:
        """Candidate and phase."""
        return f"{self.candidate} {self.phase}"

    @property
    def kind(self) -> EvaluationOfKind:
        """The evaluation of its kind of problem."""
        return evaluation_of(self.metrics["problem"])

    @property
    def main_metric(self) -> str:
        """The main metric of its kind of problem."""
        return KINDS[self.metrics["problem"]].main_metric

    @property
    def is_refitted(self) -> bool:
        """Whether it was trained on validation images, too, when validation had decided everything."""
        return "validation" in self.metrics.get("trained_on", ())

    @property
    def is_its_head(self) -> bool:
        """Whether it is a fine-tuning that improved nothing: it has the weights of the head before a refit."""
        return bool(self.metrics.get("trainable") == 0)

    @property
    def rejection(self) -> Rejection | None:
        """The limit below which it predicts no label, from its card."""
        found = self.metrics.get("rejection")
        return Rejection(**found) if found else None

    def figure(self, split: str, metric: str) -> float | None:
        """Returns the value of a metric; None where it is not defined or the split does not exist."""
        value: float | None = self.metrics.get(split, {}).get(metric)
        return value

    def compared(self, metric: str) -> float | None:
        """Returns the validation metric by which models are compared, rounded to `DIGITS`."""
        value = self.figure("validation", metric)
        return None if value is None else round(value, DIGITS)


def read_evaluations(folder: Path, candidates: Iterable[str]) -> list[EvaluatedModel]:
    """Reads `<folder>/<candidate>/<phase>/` for the named candidates; other folders are ignored.

    Raises:
        TransferlineError: a candidate has no evaluation.
    """
    entries = []
    for candidate in candidates:
        phases = [phase for phase in PHASES if (folder / candidate / phase / "metrics.json").is_file()]
        if not phases:
            raise TransferlineError(
                f"{folder / candidate} holds no evaluation of the candidate {candidate}; run `dvc repro evaluate`"
            )
        for phase in phases:
            own = folder / candidate / phase
            metrics, latency = (
                json.loads((own / name).read_text("utf-8")) for name in ("metrics.json", "latency.json")
            )
            entries.append(EvaluatedModel(own, candidate, phase, metrics, latency))
    return entries


def ranking(entries: list[EvaluatedModel], metric: str, is_loss: bool) -> list[EvaluatedModel]:
    """Sorts entries by the validation metric, the best first; the lowest value of a loss is the best.

    Among equal entries, see `DIGITS`, the lower validation log loss decides, then the simpler phase, then the name. A
    fine-tuning that improved nothing has the values of its head: it is the same model, up to rounding and a refit.

    Raises:
        TransferlineError: no entry has the metric.
    """
    if all(entry.figure("validation", metric) is None for entry in entries):
        raise TransferlineError(
            f"select.metric: no candidate has the validation metric {metric}, because validation has no image of some "
            "class; choose another metric, or add images"
        )

    heads = {entry.candidate: entry for entry in entries if entry.phase == "head"}

    def place(entry: EvaluatedModel) -> tuple[float, float, int, str]:
        same = heads.get(entry.candidate, entry) if entry.is_its_head else entry
        value, loss = same.compared(metric), same.compared("log_loss")
        penalty = math.inf if value is None else value if is_loss else -value
        return penalty, math.inf if loss is None else loss, PHASES.index(entry.phase), entry.candidate

    return sorted(entries, key=place)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.{DIGITS}f}"


def _with_interval(entry: EvaluatedModel, split: str, metric: str) -> str:
    if split not in entry.metrics:
        return "no such split"
    value, low, high = (entry.figure(split, metric + end) for end in ("", "_low", "_high"))
    interval = "" if low is None else f" [{_number(low)}, {_number(high)}]"
    return "" if value is None else f"{_number(value)}{interval}"


def _row(entry: EvaluatedModel, metric: str, chosen: bool) -> dict[str, str]:
    split = "test" if "test" in entry.metrics else "validation"
    shown = dict.fromkeys((metric, entry.main_metric))
    others = [name for name in entry.kind.shown_metrics if name not in shown]
    robust = (f"{kind}_{entry.main_metric}" for kind in ("corruption", "adversarial"))
    optional = (UNSCALED_ERROR, "coverage", "answered_error", *robust)
    others += [name for name in optional if name in entry.metrics[split]]
    return {
        "": "**selected**" if chosen else "",
        "candidate": entry.candidate,
        "phase": entry.phase,
        **{f"{part} {name}": _with_interval(entry, part, name) for name in shown for part in ("validation", "test")},
        **{f"{split} {name}": _with_interval(entry, split, name) for name in others},
        "parameters": f"{entry.metrics['parameters']:,}",
        "ms per image": f"{entry.latency['one_image_ms']:.1f}",
        "ms in a batch of 32": f"{entry.latency['batch_32_ms_per_image']:.1f}",
        "MB": f"{entry.latency['size_bytes'] / 1e6:.1f}",
        "training s": f"{entry.latency['training_seconds']:.0f}",
    }


def _change(before: EvaluatedModel, after: EvaluatedModel, split: str, metric: str) -> str:
    values = [_number(entry.figure(split, metric)) for entry in (before, after)]
    return f"{split} {metric} {' → '.join(values)}"


def _fine_tuning(head: EvaluatedModel, tuned: EvaluatedModel, helped: bool, metric: str) -> str:
    if tuned.is_its_head:
        return f"- Fine-tuning improved nothing on validation: {tuned.name} has the weights of its head."
    verdict = "helped" if helped else "did not help"
    is_even = head.compared(metric) == tuned.compared(metric)
    decisive = "log_loss" if is_even else metric
    changes = [_change(head, tuned, split, decisive) for split in ("validation", "test") if split in head.metrics]
    return f"- By validation, fine-tuning {verdict} {head.candidate}: {', '.join(changes)}."


def _even(ranked: list[EvaluatedModel], metric: str) -> list[str]:
    """Returns a line with what decided, if several entries have the best value."""
    best = ranked[0].compared(metric)
    even = [entry for entry in ranked if entry.compared(metric) == best and not entry.is_its_head]
    if len(even) == 1:
        return []
    if even[0].compared("log_loss") == even[1].compared("log_loss"):
        also = " and log_loss" * (metric != "log_loss")
        names = ", ".join(entry.name for entry in even)
        return [f"- Equal in validation {metric}{also}; the simpler phase decided, then the name: {names}."]
    losses = ", ".join(f"{entry.name} {_number(entry.figure('validation', 'log_loss'))}" for entry in even)
    return [f"- Equal in validation {metric}; the lower validation log_loss decided: {losses}."]


def _floor(ranked: list[EvaluatedModel], metric: str) -> str:
    floors = {entry.candidate: entry.metrics["floor"] for entry in ranked}
    majority = next(iter(floors.values()))[f"majority_{metric}"]
    untrained = ", ".join(f"{name} {floor[f'untrained_{metric}']:.4f}" for name, floor in floors.items())
    rule = ranked[0].kind.floor_rule
    return f"- Floor of validation {metric}: always predicting {rule} {majority:.4f}; untrained {untrained}."


def _images(entry: EvaluatedModel) -> str:
    parts = {split: entry.metrics[split] for split in ("validation", "test") if split in entry.metrics}
    counts = [f"{split} has {images_in_groups(part['n'], part['groups'])}" for split, part in parts.items()]
    return f"{', '.join(counts).capitalize()}."


def refit_sentences(entries: list[EvaluatedModel]) -> list[str]:
    """Returns a sentence without its full stop for each refitted model."""
    names = [entry.name for entry in entries if entry.is_refitted]
    return [f"{name} was {REFITTED}" for name in names]


def markdown(ranked: list[EvaluatedModel], metric: str) -> str:
    """Returns the leaderboard as a Markdown page, from the result of `ranking`."""
    rows = [_row(entry, metric, entry is ranked[0]) for entry in ranked]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, ["---"] * len(columns), *([row.get(name, "") for name in columns] for row in rows)]
    heads = [entry for entry in ranked if entry.phase == "head"]
    tuned = {entry.candidate: entry for entry in ranked if entry.phase == "fine_tune"}
    pairs = [(head, tuned[head.candidate]) for head in heads if head.candidate in tuned]
    page = [
        "# Leaderboard\n",
        f"Selected by validation {metric}: **{ranked[0].name}**. Test metrics were not used.\n",
        f"In brackets: intervals. {_images(ranked[0])}\n",
        *(f"| {' | '.join(cells)} |" for cells in lines),
        "",
        *_even(ranked, metric),
        *(_fine_tuning(head, after, ranked.index(after) < ranked.index(head), metric) for head, after in pairs),
        *(_floor(ranked, name) for name in ranked[0].kind.floor_metrics),
        *(f"- {sentence}." for sentence in refit_sentences(ranked)),
        *(f"- Promise of {entry.name}: {promise(rejection)}." for entry in ranked if (rejection := entry.rejection)),
    ]
    return "\n".join(page) + "\n"


def plot_leaderboard(ranked: list[EvaluatedModel], metric: str, path: Path) -> None:
    """Draws the metric on validation and test with its intervals, the selected model at the top."""
    with picture(path, 8, 1.6 + 0.55 * len(ranked)) as figure:
        axes = figure.subplots()
        for split, color, offset, marker in (("validation", BLUE, -0.12, "o"), ("test", ORANGE, 0.12, "s")):
            shown = [
                (place + offset, *(entry.figure(split, metric + end) for end in ("", "_low", "_high")))
                for place, entry in enumerate(ranked)
                if entry.figure(split, metric) is not None
            ]
            if shown:
                places, point, low, high = zip(*shown, strict=True)
                axes.hlines(places, low, high, color=color, linewidth=2)
                axes.plot(point, places, marker, color=color, label=split)
        names = [f"{entry.candidate}, {entry.phase}" for entry in ranked]
        axes.set_yticks(range(len(ranked)), [f"{names[0]} (selected)", *names[1:]])
        axes.invert_yaxis()
        axes.set(xlabel=f"{metric} with interval")
        axes.grid(axis="x", alpha=0.3)
        figure.legend(loc="outside upper right", ncols=2)
