"""Promotion as a Prefect task."""

from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed, State

from tasks.pages import show_decision
from transferline.errors import TransferlineError
from transferline.params import load_params


@task(name="promote", task_run_name="promote", cache_policy=NO_CACHE, retries=0, persist_result=False, log_prints=True)
def promote_selected(root: Path) -> dict[str, Any] | State:
    """Registers the selected model and makes it the champion if it passes every gate.

    Returns:
        `promoted`, `reason`, `version` and `gates` of `transferline.registry.promotion.Decision`, or a failed state
        with the reason.
    """
    from transferline.registry.promotion import promote  # MLflow takes seconds to import

    try:
        params = load_params(root / "params.yaml")
        found = promote(params, root)
    except TransferlineError as error:
        return Failed(message=f"promotion failed: {error}")
    gates = [{"gate": gate.name, "verdict": gate.state, "why": gate.sentence} for gate in found.gates]
    decision = {"promoted": found.promoted, "reason": found.reason, "version": found.version, "gates": gates}
    show_decision(decision, params.record.tracking_uri)
    return decision
