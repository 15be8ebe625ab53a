"""The reconcile flow: it cleans up after killed processes."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect import flow, get_client, get_run_logger
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Completed, Crashed, Failed, State

from transferline import environment
from transferline.errors import TransferlineError
from transferline.flows.flow_run import connected, post_failure, sign, tell_of_failure, unfinished_on_server
from transferline.params import load_params
from transferline.processes import Identity
from transferline.project_files import prefect_file
from transferline.repairs import repair_files
from transferline.tasks.log import quiet_states
from transferline.training_lock import LockHeldError, clear

FLOWS = ("retrain", "watch", "reconcile")
OPEN = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
TIME_TO_SIGN = timedelta(minutes=10)
ENTRYPOINTS = "transferline.flows."
KILLED = "the process of this run was killed"


@flow(name="reconcile", retries=0, persist_result=False, on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def reconcile() -> State:
    """Ends the runs of killed processes in Prefect and MLflow, ends their child processes and releases their locks.

    Returns:
        A completed state whose message says what was done, or a failed one with the reason.
    """
    quiet_states()
    sign()
    try:
        root = environment.enter_project()
        done = [line for step in (close_flow_runs, _free_lock, repair_files, _close_mlflow_runs) for line in step(root)]
    except TransferlineError as error:
        return Failed(message=str(error))
    for line in done:
        get_run_logger().warning(line)
    return Completed(message="; ".join(done) or "there was nothing to clean up")


def main(server: Callable[[], str] | None) -> int:
    """Runs the flow in this process and prints what was done; the exit status is 1 if it failed."""
    with connected(server):
        state = reconcile(return_state=True)
    print(state.message, file=sys.stdout if state.is_completed() else sys.stderr)
    return int(not state.is_completed())


def close_flow_runs(root: Path) -> list[str]:
    """Ends runs of this host whose process has ended, and runs of this project that have no process after a while.

    Returns:
        A sentence for each run.
    """
    lines = []
    with get_client(sync_client=True) as client:
        states = FlowRunFilterState(type=FlowRunFilterStateType(any_=OPEN))
        found = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=list(FLOWS))), flow_run_filter=FlowRunFilter(state=states)
        )
        for run in (run for run in found if _is_dead(root, run)):
            tasks = unfinished_on_server(run)
            for task in tasks:
                client.set_task_run_state(task.id, Crashed(message=KILLED), force=True)
            end = (Cancelled if run.state_type == StateType.CANCELLING else Crashed)(message=KILLED)
            client.set_flow_run_state(run.id, end)
            lines.append(f"the flow run {run.name} was still {run.state_name}: set to {str(end.name).lower()}")
            post_failure(client.read_flow(run.flow_id).name, run, [task.name for task in tasks], KILLED)
    return lines


def _is_dead(root: Path, run: FlowRun) -> bool:
    process = Identity.of(run.labels)
    if process:
        return process.is_dead()
    had_time = run.state is not None and datetime.now(UTC) - run.state.timestamp > TIME_TO_SIGN
    return had_time and _is_of_this_project(root, run)


def _is_of_this_project(root: Path, run: FlowRun) -> bool:
    """Returns whether a deployment of this project started the run.

    Other projects and other code can have flows of the same names on the same server.
    """
    if run.deployment_id is None:
        return False
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment(run.deployment_id)
        except ObjectNotFound:
            return False
    return str(deployment.entrypoint).startswith(ENTRYPOINTS) and deployment.name in _deployment_names(root)


def _deployment_names(root: Path) -> set[str]:
    """Returns the names of the deployments in `prefect.yaml`; none if it has a fault, which stops no training."""
    try:
        entries = prefect_file(root).get("deployments")
    except TransferlineError:
        return set()
    return {str(each.get("name")) for each in entries if isinstance(each, dict)} if isinstance(entries, list) else set()


def _free_lock(root: Path) -> list[str]:
    try:
        return clear(root)
    except LockHeldError:  # a running process holds it
        return []


def _close_mlflow_runs(root: Path) -> list[str]:
    from transferline.registry.killed_runs import close_dead_runs  # MLflow takes seconds to import

    return close_dead_runs(load_params(root / "params.yaml"), root)
