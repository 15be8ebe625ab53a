"""What every flow does with its own run: find a server, sign it, and tell of its failure."""

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


@contextmanager
def connected(server: Callable[[], str] | None) -> Iterator[None]:
    """Runs of the block are recorded by the server that Prefect's settings name, else by `server`.

    Args:
        server: waits for the embedded server of this command and returns its address.

    Raises:
        TransferlineError: the server of the settings does not answer.
    """
    if url := PREFECT_API_URL.value():
        _require_answer(url)
    if url or server is None:
        yield
        return
    # it has no page, and nobody listens for heartbeats, whose thread takes a second to end
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
            f"Prefect's server at {url} does not answer: {error}; start it, or change the address, which is that of "
            f"{origin}"
        )


@contextmanager
def drained() -> Iterator[None]:
    """Logs and events of the block reach the server before it ends: what is left would wait for it for ever."""
    try:
        yield
    finally:
        APILogWorker.drain_all()
        EventsWorker.drain_all()


def sign() -> None:
    """Writes on this run which process it is, so that `reconcile` can tell whether that one was killed."""
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(runtime.flow_run.id, own_identity().tags())


def name_run(name: str) -> None:
    """Gives this run a name, in the place of the one that Prefect has made up."""
    with get_client(sync_client=True) as client:
        client.update_flow_run(runtime.flow_run.id, name=name)


def unfinished_tasks(run: FlowRun) -> list[TaskRun]:
    """The tasks of a run that have not completed."""
    with get_client(sync_client=True) as client:
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
    return [task for task in tasks if task.state and not task.state.is_completed()]


def tell_of_failure(flow: Flow[..., Any], run: FlowRun, state: State[Any]) -> None:
    """A hook of flows: posts the failure to the webhook."""
    with get_client(sync_client=True) as client:
        named = client.read_flow_run(run.id)  # `run` has the name that it began with
    post_failure(flow.name, named, state.message or "")


def post_failure(flow: str, run: FlowRun, message: str) -> None:
    """Posts the failure of a run to the webhook, with the stages that did not complete and the address of its page."""
    page = PREFECT_UI_URL.value()
    address = f"{page}/runs/flow-run/{run.id}" if page else None
    notify(str(Path.cwd()), flow, run.name, [task.name for task in unfinished_tasks(run)], message, address)
