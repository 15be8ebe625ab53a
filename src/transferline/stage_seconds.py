"""Stores the seconds that each stage took in its last run, in `.transferline/stage_seconds.json`."""

import json
from pathlib import Path

from filelock import FileLock

from transferline.atomic_files import write_json

FILE = Path(".transferline/stage_seconds.json")


def keep_seconds(root: Path, stage: str, seconds: float) -> None:
    """Stores the seconds of a stage's last run. They replace those of its earlier run."""
    (root / FILE).parent.mkdir(exist_ok=True)
    with FileLock(root / FILE.with_suffix(".lock")):  # stages of different candidates can end at the same time
        write_json(root / FILE, {**seconds_of_stages(root), stage: seconds})


def seconds_of_stages(root: Path) -> dict[str, float]:
    """Returns the seconds of each stage that has run in this project; empty if the file is missing or damaged."""
    try:
        kept = json.loads((root / FILE).read_text(encoding="utf-8"))
        return {str(stage): float(seconds) for stage, seconds in kept.items()}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}
