"""Runs a server on loopback: starts it, waits until it answers, and ends it when this process ends."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import requests
from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from transferline import ends_with_parent
from transferline.errors import TransferlineError, system_cause
from transferline.progress import say

HOST = "127.0.0.1"
MLFLOW_PORT, PREFECT_PORT = 5000, 4200  # the usual ports of their pages
SECONDS_TO_START = 300.0
SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class Server:
    """The description of a server.

    Attributes:
        name: its name in messages.
        arguments: the Python module that starts it, and the module's arguments.
        port: its port on `HOST`.
        health: the URL path that answers when the server is ready.
        environ: environment variables for this server only.
    """

    name: str
    arguments: tuple[str, ...]
    port: int
    health: str
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The URL for a browser."""
        return f"http://{HOST}:{self.port}"


@dataclass(frozen=True)
class Running:
    """A server that was started, and the file that holds its output."""

    server: Server
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def output(self) -> str:
        """Returns what the server has printed."""
        return os.pread(self.log.fileno(), os.fstat(self.log.fileno()).st_size, 0).decode(errors="replace")


@contextlib.contextmanager
def reserved_port(asked: int | None, usual: int) -> Iterator[int]:
    """Yields the port of a page: `asked`, or else the usual one, or a free one if another project uses that.

    Until the end of the block, no other command of this user gets the usual port, also while the server starts and does
    not listen yet.
    """
    if asked:
        yield asked
        return
    with contextlib.ExitStack() as stack:
        folder = user_cache_path("transferline")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(folder / f"port-{usual}.lock", blocking=False))
            is_ours = is_free(usual)
        except Timeout:
            is_ours = False
        except OSError:  # the folder cannot be written
            is_ours = is_free(usual)
        yield usual if is_ours else free_port()


def is_free(port: int) -> bool:
    """Returns whether no process listens on a port of `HOST`."""
    try:
        _bind(port)
    except OSError:
        return False
    return True


def free_port() -> int:
    """Returns a port of `HOST` on which no process listens."""
    with socket.create_server((HOST, 0)) as free:
        return int(free.getsockname()[1])


def require_free(server: Server) -> None:
    """Checks that no other process listens on the server's port.

    Raises:
        TransferlineError: the port is in use.
    """
    try:
        _bind(server.port)
    except OSError as error:
        raise TransferlineError(
            f"{server.name}'s page cannot use port {server.port} of {HOST}: {error.strerror}; "
            f"choose another port with --{server.name.lower()}-port"
        ) from error


def _bind(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))


@contextlib.contextmanager
def started(server: Server, root: Path) -> Iterator[Running]:
    """Runs a server in the folder `root` during the block."""
    command = [sys.executable, "-m", *server.arguments, "--host", HOST, "--port", str(server.port)]
    with tempfile.TemporaryFile() as log:
        environ, output = os.environ | server.environ, {"stdout": log, "stderr": subprocess.STDOUT}
        with ends_with_parent.started(command, cwd=root, env=environ, **output) as process:
            yield Running(server, process, log)


def wait_until_answering(running: list[Running], seconds_between: float = SECONDS_BETWEEN_LOOKS) -> None:
    """Waits until all servers answer.

    Raises:
        TransferlineError: a server ends, or does not answer within `SECONDS_TO_START`.
    """
    deadline = time.monotonic() + SECONDS_TO_START
    waiting = list(running)
    say(f"starting {' and '.join(item.server.name for item in running)}" if running else "nothing to start")
    while waiting:
        require_alive(running)
        waiting = [item for item in waiting if not _answers(item.server)]
        if waiting and time.monotonic() > deadline:
            raise TransferlineError(f"{waiting[0].server.name}'s server does not answer after {SECONDS_TO_START:.0f} s")
        time.sleep(seconds_between)


def _answers(server: Server) -> bool:
    try:
        return requests.get(server.address + server.health, timeout=5).ok
    except requests.RequestException:
        return False


def require_alive(running: list[Running]) -> None:
    """Checks that all servers still run.

    Raises:
        TransferlineError: a server has ended. The message names the cause, or the last lines of its output.
    """
    for item in running:
        if (status := item.process.poll()) is not None:
            output, ended = item.output(), f"{item.server.name}'s server ended with status {status}"
            if cause := system_cause(output):
                raise TransferlineError(f"{cause} ({ended})")
            raise TransferlineError("\n  ".join([f"{ended}:", *output.strip().splitlines()[-10:]]))


@contextlib.contextmanager
def sigterm_as_exit(status: int) -> Iterator[None]:
    """Raises SystemExit on SIGTERM during the block, so that context managers end the processes that they started."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(status))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
