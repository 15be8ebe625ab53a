"""The last words of a run: what came out, and where to look."""

import json
import sys
from pathlib import Path
from typing import Any

from transferline.paths import DATA_DOCS, EVALUATIONS, LEADERBOARD, METRICS


def closing(root: Path, summary: dict[str, Any]) -> str:
    """The result of a run as a table, what promotion decided, and the commands that show more.

    Args:
        root: the project's folder, with `metrics.json` and `evaluations/` as the stages wrote them.
        summary: what the flow returned.
    """
    table = _rows(root, "promoted" if _decision(summary)["promoted"] else "not promoted")
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join(["", *lines, "", outcome(summary), "", *_commands()])


def outcome(summary: dict[str, Any]) -> str:
    """What a run did, or why it had nothing to do, and what promotion decided, in one line."""
    stages, decision = summary["stages"], _decision(summary)
    done = (
        f"{len(stages)} {'stage' if len(stages) == 1 else 'stages'} run"
        if stages
        else "nothing to do, because data, params and code are those of the last run"
    )
    return f"{done}; {'promoted' if decision['promoted'] else 'not promoted'}: {decision['reason']}"


def _decision(summary: dict[str, Any]) -> dict[str, Any]:
    return summary["decision"] or {"promoted": False, "reason": "promotion was not asked for"}


def _rows(root: Path, outcome: str) -> list[list[str]]:
    """A header, then a row for each candidate and phase; `outcome` stands at the selected one."""
    metrics = json.loads((root / METRICS).read_text(encoding="utf-8"))
    selected, metric = metrics["selected"], metrics["selected"]["metric"]
    rows = [["candidate", "phase", f"validation {metric}", f"test {metric}", "seconds", ""]]
    for candidate, phases in metrics["candidates"].items():
        for phase, splits in phases.items():
            latency = json.loads((root / EVALUATIONS / candidate / phase / "latency.json").read_text("utf-8"))
            chosen = (candidate, phase) == (selected["candidate"], selected["phase"])
            figures = [_figure(splits.get(split, {}), metric) for split in ("validation", "test")]
            seconds = f"{latency['training_seconds']:.0f}"
            rows.append([candidate, phase, *figures, seconds, f"selected, {outcome}" if chosen else ""])
    return rows


def _figure(figures: dict[str, float], metric: str) -> str:
    """A metric, with its confidence interval where the evaluation has one."""
    if metric not in figures:
        return "-"
    ends = [figures[key] for key in (f"{metric}_low", f"{metric}_high") if key in figures]
    return f"{figures[metric]:.4f}" + (f" [{ends[0]:.4f}, {ends[1]:.4f}]" if ends else "")


def _commands() -> list[str]:
    programs = Path(sys.executable).parent
    if programs.is_relative_to(Path.cwd()):
        programs = programs.relative_to(Path.cwd())
    return [
        f"MLflow and Prefect pages:  {programs / 'transferline'} ui",
        f"validation report:         {programs / 'python'} -m webbrowser -t {DATA_DOCS}",
        f"leaderboard:               cat {LEADERBOARD}",
    ]
