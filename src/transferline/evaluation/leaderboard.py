"""The page and the chart of all evaluated models, from their ranking; test metrics are only shown."""

from pathlib import Path

from transferline.evaluation.ranking import DIGITS, EvaluatedModel
from transferline.metrics.calibration import UNSCALED_ERROR
from transferline.metrics.rejection import promise
from transferline.models.exported import REFITTED
from transferline.plots import BLUE, ORANGE, picture
from transferline.text import images_in_groups


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
