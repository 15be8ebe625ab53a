"""Which model the stage `select` chose."""

import json
from pathlib import Path

from transferline.errors import TransferlineError
from transferline.paths import METRICS


def selected_names(root: Path) -> tuple[str, str] | None:
    """Returns candidate and phase of the selected model; None if `select` has not run.

    Raises:
        TransferlineError: the file is damaged, for example by a merge in Git, which tracks it.
    """
    file = root / METRICS
    if not file.exists():
        return None
    try:
        chosen = json.loads(file.read_text(encoding="utf-8"))["selected"]
        return str(chosen["candidate"]), str(chosen["phase"])
    except (ValueError, KeyError, TypeError) as error:
        raise TransferlineError(
            f"{file} does not name the selected model, perhaps after a merge in Git; delete it, then "
            "`transferline run` writes it again"
        ) from error


def selected_candidate(root: Path) -> str | None:
    """Returns the name of the selected candidate; None if `select` has not run."""
    names = selected_names(root)
    return names and names[0]
