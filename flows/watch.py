"""The watch flow: each change of the raw data starts one retraining."""

from contextlib import suppress
from pathlib import Path
from uuid import UUID

from prefect import flow, get_client
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Failed, State

from transferline import environment
from transferline.datasets.new_data import NewData, find_new_data
from transferline.datasets.started_retrainings import Started, remember, started_for, take_back
from transferline.errors import TransferlineError
from transferline.flows.flow_run import sign, tell_of_failure
from transferline.flows.retrain import LOCK_HELD, retrain
from transferline.params import load_params
from transferline.project_files import prefect_file
from transferline.tasks.log import quiet_states
from transferline.text import reason_of
from transferline.training_lock import LockHeldError, held


@flow(name="watch", retries=0, persist_result=False, on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def watch() -> State:
    """Looks for raw data that no training has used: in the files, in the source of an import, and in the Git remote.

    Each change starts only one retraining, even if that one fails. While another training is running, the flow starts
    none. A later run of this flow then starts it.

    Returns:
        A completed state, whose message names the changes and what the flow did, or a failed one with the reason.
    """
    quiet_states()
    sign()
    try:
        root = environment.enter_project()
        dataset = load_params(root / "params.yaml").data.dataset
        known = []
        for change in find_new_data(root, dataset):
            started = started_for(root, dataset, change)
            if started is None or _never_ran(started):
                return Completed(message=_start(root, dataset, change))
            known.append(
                f"{change.reason}: already started for this change at {started.time}; `transferline run` tries again"
            )
    except TransferlineError as error:
        return Failed(message=str(error))
    return Completed(message="; ".join(known) or f"no change of {dataset}")


def _start(root: Path, dataset: str, change: NewData) -> str:
    """Starts the deployed flow, or runs it in this process if none is deployed; returns what was done."""
    try:
        with held(root, "the flow watch"):  # only a test, because a retraining is cancelled if the lock is held
            pass
    except LockHeldError as error:
        return f"{change.reason}: waits, because {reason_of(error)}"
    parameters = {"reason": "watch", "update": change.update, "data_revision": change.revision}
    deployment = _deployed_retrain(root)
    if deployment is None:
        remember(root, dataset, change)
        if retrain(**parameters, return_state=True).is_cancelled():
            take_back(root, dataset, change)
        return f"started retrain: {change.reason}"
    run = run_deployment(deployment, parameters=parameters, tags=["watch"], timeout=0, as_subflow=False)
    remember(root, dataset, change, str(run.id))
    return f"started retrain: {change.reason}"


def _deployed_retrain(root: Path) -> str | None:
    """Returns the first deployment of retrain in `prefect.yaml`, if the server has it, too; else None.

    The server can still have one that was removed from the file. Nothing executes its runs.
    """
    entries = prefect_file(root).get("deployments") or []
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and str(entry.get("entrypoint")).endswith(".retrain.retrain"):
            deployment = f"retrain/{entry.get('name')}"
            with get_client(sync_client=True) as client, suppress(ObjectNotFound):
                client.read_deployment_by_name(deployment)
                return deployment
    return None


def _never_ran(started: Started) -> bool:
    """Returns whether the run was cancelled before it changed anything.

    Prefect does so while another run of the deployment is active; the run itself if another command is at work.
    """
    if started.run is None:
        return False
    with get_client(sync_client=True) as client:
        try:
            run = client.read_flow_run(UUID(started.run))
        except ObjectNotFound:
            return False
    if run.state is None or not run.state.is_cancelled():
        return False
    return run.run_count == 0 or run.state.name == LOCK_HELD
