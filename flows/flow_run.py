"""Functions that all flows use: connect to a server, label a run with its process, post a failure."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import Flow, get_client, runtime
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_UI_URL,
    temporary_settings,
)

from transferline.errors import TransferlineError
from transferline.notify import notify
from transferline.prefect_server import configured_address
from transferline.processes import own_identity
from transferline.tasks.unfinished_tasks import unfinished_tasks
from transferline.text import reason_of

PROJECT = "transferline.project"  # the label of a run with its project's folder


@contextmanager
def connected(server: Callable[[], str] | None) -> Iterator[None]:
    """Connects the flow runs inside the block to a Prefect server, which records them.

    It uses the server of Prefect's settings. If they name none, it uses the embedded server of this command.

    Args:
        server: a function that waits for the embedded server and returns its address; None if there is no such server.

    Raises:
        TransferlineError: the server of the settings does not answer.
    """
    if url := PREFECT_API_URL.value():
        _require_answer(url)
    if url or server is None:
        yield
        return
    # The embedded server has no page and ignores heartbeats. The thread that sends heartbeats takes a second to end.
    settings = {PREFECT_API_URL: server(), PREFECT_UI_URL: "", PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with temporary_settings(settings), drained():
        yield


def _require_answer(url: str) -> None:
    with get_client(sync_client=True) as client:
        error = client.api_healthcheck()
    if error:
        address = configured_address()
        origin = address.origin if address else "Prefect's settings"
        raise TransferlineError(
            f"Prefect's server at {url} does not answer: {reason_of(error)}; start it, or change its address, which "
            f"comes from {origin}"
        )


@contextmanager
def drained() -> Iterator[None]:
    """Sends all logs and events at the end of the block. If the server ended first, the process would wait forever."""
    try:
        yield
    finally:
        APILogWorker.drain_all()
        EventsWorker.drain_all()


def sign() -> None:
    """Labels this run with its process, so that `reconcile` can find out whether the process was killed."""
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(runtime.flow_run.id, {**own_identity().tags(), PROJECT: str(Path.cwd())})


def name_run(name: str) -> None:
    """Gives this run a name, which replaces the one that Prefect chose."""
    with get_client(sync_client=True) as client:
        client.update_flow_run(runtime.flow_run.id, name=name)


def unfinished_on_server(run: FlowRun) -> list[TaskRun]:
    """Returns the tasks of a run that have not completed, as far as the server knows."""
    with get_client(sync_client=True) as client:
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
    return [task for task in tasks if task.state and not task.state.is_completed()]


def tell_of_failure(flow: Flow[..., Any], run: FlowRun, state: State[Any]) -> None:
    """Posts a failure to the webhook. It is a hook of flows."""
    with get_client(sync_client=True) as client:
        named = client.read_flow_run(run.id)  # `run` still has the name from before `name_run`
    # The server learns of the end of a task only after a while. After a kill, this hook runs in another process.
    stages = unfinished_tasks(run.id) or [task.name for task in unfinished_on_server(run)]
    post_failure(flow.name, named, stages, state.message or "")


def post_failure(flow: str, run: FlowRun, stages: list[str], message: str) -> None:
    """Posts the failure of a run to the webhook, with the stages that did not complete and the run's address."""
    page = PREFECT_UI_URL.value()
    address = f"{page}/runs/flow-run/{run.id}" if page else None
    project = run.labels.get(PROJECT, str(Path.cwd()))  # another project on the same server can end the run
    notify(str(project), flow, run.name, stages, message, address)
