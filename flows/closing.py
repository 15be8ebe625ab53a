"""The last words of a run: what came out, and where to look."""

from pathlib import Path
from typing import Any


def closing(root: Path, summary: dict[str, Any]) -> str:
    return str(summary)
