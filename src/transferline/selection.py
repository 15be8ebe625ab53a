"""Which candidate the stage `select` chose."""

import json
from pathlib import Path

from transferline.paths import METRICS


def selected_candidate(root: Path) -> str | None:
    """Returns the name of the selected candidate; None if `select` has not run."""
    file = root / METRICS
    return str(json.loads(file.read_text(encoding="utf-8"))["selected"]["candidate"]) if file.exists() else None
