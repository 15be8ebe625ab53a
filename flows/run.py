"""`transferline run`: runs the retrain flow in this process if there is something to do."""

import importlib
from pathlib import Path

from transferline import pipeline
from transferline.flows.preparation import prepare
from transferline.params import Params
from transferline.prefect_server import embedded_server
from transferline.progress import say
from transferline.registry.promotion import decided_before
from transferline.repairs import repair_files
from transferline.training_lock import held


def main(
    root: Path,
    recipe: str | None,
    data_revision: str | None,
    update: bool,
    force_from: str | None,
    promote: bool,
    jobs: int,
) -> int:
    """Runs the flow if DVC would run a stage, or if promotion must decide. Else prints that there is nothing to do.

    Args:
        root: the project's folder.
        recipe, data_revision, update: see `prepare`.
        force_from, promote, jobs: see the flow `retrain`.

    Returns:
        The exit status: 1 if anything failed, after one message on standard error.

    Raises:
        TransferlineError: the params or the data are faulty, or another training is running.
    """
    with held(root, "transferline run") as was_killed:
        for repair in repair_files(root):
            say(repair)
        params = prepare(root, recipe, data_revision, update)
        steps = pipeline.plan(root, force_from)
        if not steps and (done := _nothing_to_do(root, params, promote)):
            if was_killed:
                _reconcile(root)
            print(done)
            return 0
        from transferline.flows.opening import open_run  # pandas takes half a second to import

        opening = open_run(root, params, steps, promote)
        print(opening.text(), flush=True)
        with embedded_server(root) as server:
            retrain = importlib.import_module("transferline.flows.retrain")  # Prefect takes seconds to import
            status: int = retrain.main(server, reason=None, force_from=force_from, promote=promote, jobs=jobs)
        return status


def _reconcile(root: Path) -> None:
    """Ends the runs that a killed process left open in Prefect and MLflow."""
    with embedded_server(root) as server:
        importlib.import_module("transferline.flows.reconcile").main(server)


def _nothing_to_do(root: Path, params: Params, promote: bool) -> str:
    """Returns a sentence for the user that there is nothing to do; "" if promotion must still decide."""
    unchanged = "nothing to do: data, params and code are those of the last run"
    if not promote:
        return f"{unchanged}."
    decision = decided_before(params, root)
    return f"{unchanged}, and {decision.reason}." if decision else ""
