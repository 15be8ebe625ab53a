"""The last words of a retraining: one sentence and one link."""

from pathlib import Path
from typing import Any

from transferline.paths import DECISION, LEADERBOARD


def closing(root: Path, summary: dict[str, Any]) -> str:
    """What came out, and the page that shows more.

    Args:
        root: the project's folder.
        summary: what the flow returned.
    """
    page = DECISION if summary["decision"] and (root / DECISION).exists() else LEADERBOARD
    return f"\n{outcome(summary)}.\n{(root / page).as_uri()}"


def outcome(summary: dict[str, Any]) -> str:
    """What ran and what promotion decided, in one sentence."""
    stages, decision = summary["stages"], summary["decision"]
    ran = (
        f"{len(stages)} stage{'s' * (len(stages) != 1)} ran in {summary['seconds']:.0f} s" if stages else "no stage ran"
    )
    if decision is None:
        return f"{ran}; nothing was promoted, because promotion was not asked for"
    version = f"version {decision['version']}" if decision["version"] else "the selected model"
    verb = "is the new champion" if decision["promoted"] else "was not promoted"
    return f"{ran}; {version} {verb}: {decision['reason']}"
