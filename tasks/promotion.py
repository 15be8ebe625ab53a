"""Promotion as a Prefect task."""

from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed, State

from transferline.errors import TransferlineError
from transferline.params import load_params


@task(name="promote", task_run_name="promote", cache_policy=NO_CACHE, retries=0, persist_result=False, log_prints=True)
def promote_selected(root: Path) -> dict[str, Any] | State:
    """Registers the selected model and makes it the champion if it is better.

    Returns:
        `promoted`, `reason` and `version` of `transferline.registry.promotion.Decision`, or a failed state with the
        reason.
    """
    from transferline.registry.promotion import promote  # MLflow takes seconds to import

    try:
        decision = promote(load_params(root / "params.yaml"), root)
    except TransferlineError as error:
        return Failed(message=f"promotion failed: {error}")
    return {"promoted": decision.promoted, "reason": decision.reason, "version": decision.version}
