"""The Prefect server that records the flows: the user's own server, or one that a command starts for itself."""

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
from transferline.text import reason_of

START = ("prefect", "server", "start")
# The embedded server is for one command only. It must not start scheduled runs; `transferline schedule` starts them.
EMBEDDED = (*START, "--no-ui", "--no-scheduler", "--no-late-runs")
DATABASE_ELSEWHERE = ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL")
SECONDS_BETWEEN_LOOKS = 0.05


@dataclass(frozen=True)
class Address:
    """The URL of the API of the user's own server, and the setting that contains it."""

    url: str
    origin: str


def configured_address() -> Address | None:
    """Returns the address of the user's own server; None if the user has none.

    It is in the environment variable PREFECT_API_URL, or else in the active Prefect profile. An empty variable means
    no server, as in Prefect. Call `environment.prepare` first.

    Raises:
        TransferlineError: the file with the profiles is not valid TOML.
    """
    if (url := os.environ.get("PREFECT_API_URL")) is not None:
        return Address(url, "the variable PREFECT_API_URL") if url else None
    file = Path(os.environ.get("PREFECT_PROFILES_PATH") or Path(os.environ["PREFECT_HOME"]) / "profiles.toml")
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except tomllib.TOMLDecodeError as error:
        why = reason_of(error)
        raise TransferlineError(f"{file}: Prefect's profiles are not valid TOML: {why}; correct the file") from error
    name = os.environ.get("PREFECT_PROFILE") or tree.get("active")
    url = tree.get("profiles", {}).get(name, {}).get("PREFECT_API_URL")
    return Address(url, f"the profile {name} in {file}") if url else None


def prefect_page(port: int) -> Server:
    """Returns the description of Prefect's server with its web page."""
    return _server(START, port)


@contextlib.contextmanager
def prefect_server(root: Path, port: int) -> Iterator[str]:
    """Runs Prefect's server for the project on 127.0.0.1 during the block; yields the address of its API.

    Raises:
        TransferlineError: the port is in use, or the server does not start.
    """
    server = prefect_page(port)
    require_free(server)
    with started(server, root) as running:
        wait_until_answering([running])
        say(f"Prefect: {server.address}")
        yield f"{server.address}/api"


@contextlib.contextmanager
def embedded_server(root: Path) -> Iterator[Callable[[], str] | None]:
    """Runs Prefect's server for one command, on a free port of 127.0.0.1 and without its web page.

    It does not wait for the start. So the command can import Prefect while the server starts; both take seconds.

    Yields:
        A function that waits until the server answers and returns the address of its API. None if the user has a
        server of their own; then no server starts.
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
    """Returns the description of Prefect's server. Prints a message if the server must create its database first."""
    is_elsewhere = any(name in os.environ for name in DATABASE_ELSEWHERE)
    if not is_elsewhere and not (Path(os.environ["PREFECT_HOME"]) / "prefect.db").exists():
        say("Prefect creates its database; this happens once and takes about 15 s")
    environ = {
        "PREFECT_SERVER_UI_API_URL": f"http://{HOST}:{port}/api",  # otherwise the page uses the default port
        "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "0",  # our flows use no blocks, and this takes seconds
    }
    return Server("Prefect", start, port, "/api/health", environ)
