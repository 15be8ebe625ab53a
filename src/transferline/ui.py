"""MLflow's page and Prefect's page together, on loopback, until one of them ends or the user stops them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import requests

from transferline import environment, prefect_database
from transferline.errors import TransferlineError
from transferline.params import Params
from transferline.progress import say

HOST = "127.0.0.1"
SECONDS_TO_START = 300.0
SECONDS_TO_STOP = 15.0
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_FAST_LOOKS = 0.05

# As Prefect starts its own, but for the types of its blocks: no flow of ours has one, and the page's server has them.
APP = ("--factory", "prefect.server.api.server:create_app")
UVICORN = ("transferline.rarely_collected", "uvicorn", *APP, "--log-level", "error", "--lifespan", "on")
EMBEDDED = {
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_UI_ENABLED": "0",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "0",
}


@dataclass(frozen=True)
class Page:
    """A server that is to run: its name, the module and arguments that start it, its port and where it answers."""

    name: str
    arguments: tuple[str, ...]
    port: int
    health: str

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://{HOST}:{self.port}"


@dataclass(frozen=True)
class Running:
    """A page whose server was started, and the file that takes its output."""

    page: Page
    process: subprocess.Popen[bytes]
    log: IO[bytes]


def serve_pages(root: Path, params: Params, mlflow_port: int = 5000, prefect_port: int = 4200) -> None:
    """Serves both pages until Ctrl-C or SIGTERM, and stops both. A server that is configured elsewhere is only named.

    Args:
        root: the project's folder, which holds the runs of both.
        params: `record.tracking_uri` says where MLflow's runs are.
        mlflow_port: port of MLflow's page on 127.0.0.1.
        prefect_port: port of Prefect's page on 127.0.0.1.

    Raises:
        TransferlineError: a port is taken, or a server does not start or ends by itself.
    """
    environment.prepare(root)
    pages = []
    if params.record.tracking_uri.startswith("http"):
        say(f"MLflow:  {params.record.tracking_uri} (a server of your own)")
    else:
        store = ("--backend-store-uri", params.record.tracking_uri, "--workers", "1")
        pages.append(Page("MLflow", ("mlflow", "server", *store), mlflow_port, "/health"))
    if url := os.environ.get("PREFECT_API_URL"):
        say(f"Prefect: {url.removesuffix('/api')} (a server of your own)")
    else:
        pages.append(_prefect_page(prefect_port))
    with _sigterm_as_exit(0), contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        for page in pages:
            _require_free(page)
        running = [stack.enter_context(_started(page, root)) for page in pages]
        _wait_until_answering(running)
        for page in pages:
            path = _path_of_runs(page, params.record.experiment) if page.name == "MLflow" else ""
            say(f"{page.name + ':':8} {page.address}{path}")
        if running:
            say("Ctrl-C stops both")
        while running:
            _require_alive(running)
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _path_of_runs(page: Page, experiment: str) -> str:
    """Where the runs of an experiment are compared; MLflow 3 by itself opens on its pages for language models."""
    name = {"experiment_name": experiment}
    found = requests.get(f"{page.address}/api/2.0/mlflow/experiments/get-by-name", name, timeout=60)
    place = f"/{found.json()['experiment']['experiment_id']}/runs" if found.ok else ""
    return f"/#/experiments{place}?workflowType=machine_learning"


@contextlib.contextmanager
def prefect_server(root: Path, port: int) -> Iterator[str]:
    """Prefect's server on 127.0.0.1, with the project's runs, while the block runs; yields the address of its API.

    Raises:
        TransferlineError: the port is taken, or the server does not start.
    """
    page = _prefect_page(port)
    _require_free(page)
    # flows end the process where a SIGTERM found no handler, and the server would stay
    with _sigterm_as_exit(128 + signal.SIGTERM), _started(page, root) as running:
        _wait_until_answering([running])
        say(f"Prefect: {page.address}")
        yield f"{page.address}/api"


@contextlib.contextmanager
def embedded_server(root: Path) -> Iterator[Callable[[], str] | None]:
    """Prefect's server for one command, on a free port of 127.0.0.1, without its page: what Prefect starts by itself
    when it is first needed, started now. It takes seconds, and so does Prefect's import.

    Yields:
        A function that waits until the server answers and returns the address of its API; None if PREFECT_API_URL names
        a server.
    """
    with _sigterm_as_exit(128 + signal.SIGTERM):
        if "PREFECT_API_URL" in os.environ:
            yield None
            return
        with socket.create_server((HOST, 0)) as free:
            page = Page("Prefect", UVICORN, free.getsockname()[1], "/api/health")
        with _started(page, root, **EMBEDDED) as running:
            yield partial(_address_of_api, running)


def _address_of_api(running: Running) -> str:
    _wait_until_answering([running], SECONDS_BETWEEN_FAST_LOOKS)
    return f"{running.page.address}/api"


def _prefect_page(port: int) -> Page:
    return Page("Prefect", ("prefect", "server", "start"), port, "/api/health")


def _require_free(page: Page) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, page.port))
        except OSError as error:
            option = f"--{page.name.lower()}-port"
            raise TransferlineError(
                f"{page.name}'s page cannot use port {page.port} of {HOST}: {error.strerror}; choose one with {option}"
            ) from error


@contextlib.contextmanager
def _started(page: Page, root: Path, **environ: str) -> Iterator[Running]:
    """Starts a page's server in a process group of its own and ends the whole group at the end."""
    if page.name == "Prefect":
        prefect_database.begin(Path(os.environ["PREFECT_HOME"]))
    command = [sys.executable, "-m", *page.arguments, "--host", HOST, "--port", str(page.port)]
    # Prefect's page would look for its server at the default port, not at the one that it came from
    env = {**os.environ, "PREFECT_SERVER_UI_API_URL": f"{page.address}/api", **environ}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=root, env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield Running(page, process, log)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_STOP)


def _wait_until_answering(running: list[Running], seconds_between: float = SECONDS_BETWEEN_LOOKS) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    waiting = list(running)
    say(f"starting {' and '.join(item.page.name for item in running)}" if running else "nothing to start")
    while waiting:
        _require_alive(running)
        waiting = [item for item in waiting if not _answers(item.page)]
        if waiting and time.monotonic() > deadline:
            raise TransferlineError(f"{waiting[0].page.name}'s page does not answer after {SECONDS_TO_START:.0f} s")
        time.sleep(seconds_between)


def _answers(page: Page) -> bool:
    try:
        return requests.get(page.address + page.health, timeout=5).ok
    except requests.RequestException:
        return False


def _require_alive(running: list[Running]) -> None:
    for item in running:
        if (status := item.process.poll()) is not None:
            item.log.seek(0)
            tail = item.log.read().decode(errors="replace").strip().splitlines()[-10:]
            raise TransferlineError("\n  ".join([f"{item.page.name}'s server ended with status {status}:", *tail]))


@contextlib.contextmanager
def _sigterm_as_exit(status: int) -> Iterator[None]:
    """While it is open, SIGTERM leaves through SystemExit, so that what was started is stopped."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(status))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
