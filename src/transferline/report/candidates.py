"""The section about the candidates: their metrics with intervals, and their trainings in one picture."""

from typing import Any

import pandas as pd

from transferline.evaluation.leaderboard import refit_sentences
from transferline.evaluation.ranking import EvaluatedModel
from transferline.models.exported import HISTORY_FILE
from transferline.plots import LINES
from transferline.report.blocks import Bar, Block, Table
from transferline.report.page_pictures import bar, chart
from transferline.report.report_inputs import ReportInputs
from transferline.text import images_in_groups, with_interval
from transferline.training.curves_picture import STRENGTH


def candidates(inputs: ReportInputs) -> list[Block]:
    """Returns the leaderboard as a table, and the curves of all trainings."""
    metric, others = inputs.metric, [name for name in inputs.selected.kind.shown_metrics if name != inputs.metric]
    ends = _ends(inputs)
    rows = [
        [
            f"{entry.candidate}, {entry.phase}",
            *(_cell(entry, split, metric, ends) for split in ("validation", "test")),
            *(_plain(entry, inputs.split, name) for name in others),
            f"{entry.metrics['parameters']:,}",
            f"{entry.latency['one_image_ms']:.1f}",
            f"{entry.latency['size_bytes'] / 1e6:.1f}",
            f"{entry.latency['training_seconds']:.0f}",
        ]
        for entry in inputs.ranked
    ]
    heads = ["candidate", f"validation {metric}", f"test {metric}", *(f"{inputs.split} {name}" for name in others)]
    heads += ["parameters", "ms per image", "MB", "training s"]
    images = [
        f"{split} has {images_in_groups(part['n'], part['groups'])}"
        for split in ("validation", "test")
        if (part := inputs.selected.metrics.get(split))
    ]
    text = f"Selected by validation {metric}; test metrics were not used. In brackets: intervals. {', '.join(images)}."
    text = " ".join([text, *(f"{line}." for line in refit_sentences(inputs.ranked))])
    return [Table([head.replace("_", " ") for head in heads], rows, text, 0), *_curves(inputs)]


def _ends(inputs: ReportInputs) -> tuple[float, float]:
    names = [inputs.metric + end for end in ("", "_low", "_high")]
    found = [entry.figure(split, name) for entry in inputs.ranked for split in ("validation", "test") for name in names]
    values = [value for value in found if value is not None]
    return min([0.0, *values]), max([1.0, *values])


def _cell(entry: EvaluatedModel, split: str, metric: str, ends: tuple[float, float]) -> str | Bar:
    value, low, high = (entry.figure(split, metric + end) for end in ("", "_low", "_high"))
    return bar(value, low, high, with_interval(value or 0, low, high), ends)


def _plain(entry: EvaluatedModel, split: str, metric: str) -> str:
    value = entry.figure(split, metric)
    return "–" if value is None else f"{value:.4f}"


def _curves(inputs: ReportInputs) -> list[Block]:
    """Returns the validation metric of each training by epoch; those without epochs by strength of the penalty."""
    runs = [(entry, pd.read_csv(file)) for entry in inputs.ranked if (file := entry.folder / HISTORY_FILE).is_file()]
    runs = [(entry, rows[rows["phase"] == entry.phase]) for entry, rows in runs]
    column = f"val_{inputs.selected.main_metric}"
    by_kind = {kind: [run for run in runs if _has_strengths(run[1]) == kind] for kind in (True, False)}
    shown = {kind: of_kind for kind, of_kind in by_kind.items() if of_kind}
    if not shown:
        return []

    values = {value for _, rows in shown.get(True, ()) for value in rows["l2"]}
    strengths = sorted(values, reverse=True)

    def draw(figure: Any) -> None:
        panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
        for axes, (is_strength, of_kind) in zip(panels, shown.items(), strict=True):
            for number, (entry, rows) in enumerate(of_kind):
                places = rows["l2"].map(strengths.index) if is_strength else rows["epoch"]
                _draw_run(axes, entry, rows.assign(x=places), column, number)
            axes.set(xlabel=STRENGTH if is_strength else "epoch", ylabel=f"validation {column[4:].replace('_', ' ')}")
            if is_strength:
                axes.set_xticks(range(len(strengths)), [f"{value:g}" for value in strengths])
            else:
                axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(alpha=0.3)
            axes.legend(fontsize=8)

    caption = "The training of each candidate on validation. The large point is the epoch or strength that is kept."
    return [chart(draw, 5.4, 3.4 * len(shown), "Validation metric of every training, the kept epoch marked", caption)]


def _has_strengths(rows: pd.DataFrame) -> bool:
    return "l2" in rows and bool(rows["l2"].notna().any())


def _draw_run(axes: Any, entry: EvaluatedModel, rows: pd.DataFrame, column: str, number: int) -> None:
    color, style = LINES[number % len(LINES)], ("-", "--", ":")[number // len(LINES) % 3]
    axes.plot(rows["x"], rows[column], style, marker=".", color=color, label=entry.name.replace("_", " "))
    kept = rows[rows["epoch"] == entry.metrics["best_epoch"]]
    axes.plot(kept["x"], kept[column], "o", color=color, markersize=9)
