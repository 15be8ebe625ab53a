"""Promotion as a Prefect task."""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed, State

from transferline.params import load_params
from transferline.stage_seconds import keep_seconds
from transferline.tasks.pages import show_decision
from transferline.tasks.stage import failure_message, stream
from transferline.tasks.unfinished_tasks import add_unfinished, remove_completed


@task(
    name="promote",
    task_run_name="promote",
    cache_policy=NO_CACHE,
    retries=0,
    persist_result=False,
    on_running=[add_unfinished],
    on_completion=[remove_completed],
)
def promote_selected(root: Path) -> dict[str, Any] | State:
    """Registers the selected model and makes it the champion if it passes every gate.

    It runs `transferline promote` in another process, whose output goes to the task's log.

    Returns:
        `promoted`, `reason` and `version` of `transferline.registry.promotion.Decision`, and `gates`: for each gate
        its name (`gate`), `verdict` and reason (`why`). After an error, a failed state with the reason.
    """
    logger, lines = get_run_logger(), list[str]()

    def keep(line: str) -> None:
        lines.append(line)
        logger.info(line)

    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "decision.json"
        end = stream([sys.executable, "-m", "transferline", "promote", "--json", str(file)], keep)
        if end.status:
            return Failed(message=failure_message("promotion", lines, end))
        found = json.loads(file.read_text(encoding="utf-8"))
    gates = [{"gate": gate["name"], "verdict": gate["state"], "why": gate["sentence"]} for gate in found["gates"]]
    decision = {**{key: found[key] for key in ("promoted", "reason", "version")}, "gates": gates}
    keep_seconds(root, "promote", round(time.monotonic() - start, 1))
    show_decision(decision, root, load_params(root / "params.yaml").record.tracking_uri)
    return decision
