"""A server on loopback: started, waited for, and ended with this process."""

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

from transferline import ends_with_parent
from transferline.errors import TransferlineError
from transferline.progress import say

HOST = "127.0.0.1"
SECONDS_TO_START = 300.0
SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class Server:
    """A server that is to run.

    `arguments` is the module that starts it and its arguments, `health` the path that answers once it is up, `environ`
    holds variables for it alone.
    """

    name: str
    arguments: tuple[str, ...]
    port: int
    health: str
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://{HOST}:{self.port}"


@dataclass(frozen=True)
class Running:
    """A server that was started, and the file that takes its output."""

    server: Server
    process: subprocess.Popen[bytes]
    log: IO[bytes]


def require_free(server: Server) -> None:
    """Raises a TransferlineError if another process listens on the server's port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, server.port))
        except OSError as error:
            raise TransferlineError(
                f"{server.name}'s page cannot use port {server.port} of {HOST}: {error.strerror}; "
                f"choose one with --{server.name.lower()}-port"
            ) from error


@contextlib.contextmanager
def started(server: Server, root: Path) -> Iterator[Running]:
    """Runs a server in the folder `root` while the block runs."""
    command = [sys.executable, "-m", *server.arguments, "--host", HOST, "--port", str(server.port)]
    with tempfile.TemporaryFile() as log:
        environ, output = os.environ | server.environ, {"stdout": log, "stderr": subprocess.STDOUT}
        with ends_with_parent.started(command, cwd=root, env=environ, **output) as process:
            yield Running(server, process, log)


def wait_until_answering(running: list[Running], seconds_between: float = SECONDS_BETWEEN_LOOKS) -> None:
    """Waits until all of them answer.

    Raises:
        TransferlineError: one of them ends, or does not answer in time.
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
    """Raises a TransferlineError with the last lines of a server that has ended."""
    for item in running:
        if (status := item.process.poll()) is not None:
            item.log.seek(0)
            tail = item.log.read().decode(errors="replace").strip().splitlines()[-10:]
            raise TransferlineError("\n  ".join([f"{item.server.name}'s server ended with status {status}:", *tail]))


@contextlib.contextmanager
def sigterm_as_exit(status: int) -> Iterator[None]:
    """While it is open, SIGTERM leaves through SystemExit, so that what was started is ended and waited for."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(status))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
