"""Finds what the stage `insight` wrote for a candidate."""

import json
from pathlib import Path

from transferline.errors import TransferlineError
from transferline.insight.insight_table import INDEX_FILE
from transferline.params import Params
from transferline.paths import INSIGHT, require_outputs
from transferline.selection import selected_candidate


def insight_folder(root: Path, params: Params, candidate: str | None, question: str) -> Path:
    """Returns the folder of a candidate that has an answer to a question.

    Args:
        root: the project's folder.
        params: the params.
        candidate: its name; None takes the selected candidate if it has an answer, else the first one that has.
        question: a key of `QUESTIONS`.

    Raises:
        TransferlineError: there is no such candidate, the stage has not run, or no candidate has an answer.
    """
    if candidate is not None and candidate not in params.candidates:
        raise TransferlineError(
            f"--candidate: params.yaml has no candidate {candidate}; allowed are {', '.join(params.candidates)}"
        )
    selected = selected_candidate(root)
    wanted = [candidate] if candidate else sorted(params.candidates, key=lambda name: name != selected)
    reasons = []
    for name in wanted:
        file = root / INSIGHT / name / INDEX_FILE
        require_outputs(file)
        reason = json.loads(file.read_text(encoding="utf-8"))["not_applicable"].get(question)
        if reason is None:
            return file.parent
        reasons.append(f"{name}: {reason}")
    raise TransferlineError(f"{question} is not applicable:\n  " + "\n  ".join(reasons))
