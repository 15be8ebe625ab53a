"""The last message of a retraining: one sentence and one link."""

from pathlib import Path
from typing import Any

from transferline.paths import LEADERBOARD, PAGE


def closing(root: Path, summary: dict[str, Any]) -> str:
    """Returns the last message: the result, and the address of the page that shows more.

    Args:
        root: the project's folder.
        summary: the data of the completed state that the flow `retrain` returns.
    """
    page = PAGE if (root / PAGE).exists() else LEADERBOARD
    return f"\n{outcome(summary)}.\n{(root / page).resolve().as_uri()}"


def outcome(summary: dict[str, Any]) -> str:
    """Returns a sentence with the number of stages that ran and the decision of the promotion."""
    stages, decision = len(summary["stages"]), summary["decision"]
    ran = f"{stages or 'no'} stage{'s' * (stages != 1)} ran in {summary['seconds']:.0f} s"
    if decision is None:
        return f"{ran}; nothing was promoted, because promotion was switched off"
    if decision["promoted"]:
        return f"{ran}; version {decision['version']} was promoted: {decision['reason']}"
    return f"{ran}; nothing was promoted: {decision['reason']}"
