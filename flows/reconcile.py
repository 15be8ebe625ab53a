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
from prefect.states import Cancelled, Completed, Crashed, Failed, State

from transferline import environment
from transferline.errors import TransferlineError
from transferline.flows.flow_run import connected, post_failure, sign, tell_of_failure, unfinished_tasks
from transferline.params import load_params
from transferline.processes import Identity
from transferline.repairs import repair_files
from transferline.tasks.log import quiet_states
from transferline.training_lock import LockHeldError, clear

FLOWS = ("retrain", "watch", "reconcile")
OPEN = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
TIME_TO_SIGN = timedelta(minutes=10)
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
    """Ends runs of this host whose process has ended, and runs that no process labels within `TIME_TO_SIGN`.

    Returns:
        A sentence for each run.
    """
    with get_client(sync_client=True) as client:
        states = FlowRunFilterState(type=FlowRunFilterStateType(any_=OPEN))
        found = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=list(FLOWS))), flow_run_filter=FlowRunFilter(state=states)
        )
        dead = [run for run in found if _is_dead(run)]
        for run in dead:
            for task in unfinished_tasks(run):
                client.set_task_run_state(task.id, Crashed(message=KILLED), force=True)
            is_cancelling = run.state_type == StateType.CANCELLING
            client.set_flow_run_state(run.id, (Cancelled if is_cancelling else Crashed)(message=KILLED))
            post_failure(client.read_flow(run.flow_id).name, run, KILLED)
    return [f"the flow run {run.name} was still {run.state_name}: set to crashed" for run in dead]


def _is_dead(run: FlowRun) -> bool:
    process = Identity.of(run.labels)
    if process:
        return process.is_dead()
    return run.state is not None and datetime.now(UTC) - run.state.timestamp > TIME_TO_SIGN


def _free_lock(root: Path) -> list[str]:
    try:
        return clear(root)
    except LockHeldError:  # a running process holds it
        return []


def _close_mlflow_runs(root: Path) -> list[str]:
    from transferline.registry.killed_runs import close_dead_runs  # MLflow takes seconds to import

    return close_dead_runs(load_params(root / "params.yaml"), root)
