"""The server that records the flows: the user's own, or one that is started for a command."""

import contextlib
import os
import signal
import socket
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from transferline.errors import TransferlineError
from transferline.progress import say
from transferline.server_process import (
    HOST,
    Running,
    Server,
    require_free,
    sigterm_as_exit,
    started,
    wait_until_answering,
)

START = ("prefect", "server", "start")
# It serves one command, which is no reason to schedule what `transferline schedule` runs.
EMBEDDED = (*START, "--no-ui", "--no-scheduler", "--no-late-runs")
DATABASE_ELSEWHERE = ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL")
SECONDS_BETWEEN_LOOKS = 0.05


@dataclass(frozen=True)
class Address:
    """Of the API of a server that the user has, and what names it."""

    url: str
    origin: str


def configured_address() -> Address | None:
    """The server that the user has: of the variable PREFECT_API_URL, else of the active Prefect profile.

    An empty variable means none, as for Prefect. `environment.prepare` comes first.

    Raises:
        TransferlineError: the file of the profiles is not TOML.
    """
    if (url := os.environ.get("PREFECT_API_URL")) is not None:
        return Address(url, "the variable PREFECT_API_URL") if url else None
    file = Path(os.environ.get("PREFECT_PROFILES_PATH") or Path(os.environ["PREFECT_HOME"]) / "profiles.toml")
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except tomllib.TOMLDecodeError as error:
        raise TransferlineError(f"{file}: Prefect's profiles are not TOML: {error}; correct the file") from error
    name = os.environ.get("PREFECT_PROFILE") or tree.get("active")
    url = tree.get("profiles", {}).get(name, {}).get("PREFECT_API_URL")
    return Address(url, f"the profile {name} in {file}") if url else None


def prefect_page(port: int) -> Server:
    """Prefect's server with its page."""
    return _server(START, port)


@contextlib.contextmanager
def prefect_server(root: Path, port: int) -> Iterator[str]:
    """Prefect's server on 127.0.0.1, with the project's runs, while the block runs; yields the address of its API.

    Raises:
        TransferlineError: the port is taken, or the server does not start.
    """
    server = prefect_page(port)
    require_free(server)
    with started(server, root) as running:
        wait_until_answering([running])
        say(f"Prefect: {server.address}")
        yield f"{server.address}/api"


@contextlib.contextmanager
def embedded_server(root: Path) -> Iterator[Callable[[], str] | None]:
    """Prefect's server for one command, on a free port of 127.0.0.1, without its page. It starts while the command
    imports Prefect: both take seconds.

    Yields:
        A function that waits until the server answers and returns the address of its API; None if the user has a
        server.
    """
    with sigterm_as_exit(128 + signal.SIGTERM):
        if configured_address():
            yield None
            return
        with socket.create_server((HOST, 0)) as free:
            port = free.getsockname()[1]
        with started(_server(EMBEDDED, port), root) as running:
            yield partial(_address_of_api, running)


def _address_of_api(running: Running) -> str:
    wait_until_answering([running], SECONDS_BETWEEN_LOOKS)
    return f"{running.server.address}/api"


def _server(start: tuple[str, ...], port: int) -> Server:
    """Prefect's server; says so where it will make its database first."""
    is_elsewhere = any(name in os.environ for name in DATABASE_ELSEWHERE)
    if not is_elsewhere and not (Path(os.environ["PREFECT_HOME"]) / "prefect.db").exists():
        say("Prefect makes its database, once: some 15 s")
    environ = {
        "PREFECT_SERVER_UI_API_URL": f"http://{HOST}:{port}/api",  # else its page asks the server at the default port
        "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "0",  # no flow of ours has one, and it takes seconds
    }
    return Server("Prefect", start, port, "/api/health", environ)
