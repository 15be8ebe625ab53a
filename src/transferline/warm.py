"""Warm parents: a process that has imported TensorFlow and MLflow and forks a child for each stage command, and for
promotion and its smoke test; another one that has imported DVC and Great Expectations, for what comes before. Where
there is the latter, the former begins as a child of it, with what both need.

These imports cost each stage ten seconds of processor time and more. The stages below one `dvc repro` by hand, or one
`transferline run`, pay for them once: the first stage command, or `run`, starts the parent (`warm_parent.py`), which
ends with that `dvc` or `run`, its owner. What a stage does and writes is the same with and without it. Without an
owner, off Linux, with another environment than the parent's, or if anything fails before the child has started, the
command does its work itself, and always with TRANSFERLINE_WARM=0 in the environment.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from transferline.errors import TransferlineError

SWITCH = "TRANSFERLINE_WARM"
CHILD = "TRANSFERLINE_WARM_CHILD"  # the id of a process that a warm parent has forked
OWNER = "TRANSFERLINE_WARM_OWNER"  # a process id; else the nearest `dvc` above a stage command

TENSORFLOW, DVC = "tensorflow", "dvc"  # what a parent has imported
PARENT = "transferline.warm_parent"
# Its own import is what they would wait for anyway.
STAGES = NEED_TENSORFLOW = ("extract", "train_head", "fine_tune", "train")
COME_BEFORE = ("fetch", "validate")
SECONDS_FOR_IMPORTS, SECONDS_FOR_ANSWER, SECONDS_TO_END = 120.0, 0.2, 2.0

READY, REFUSED, INTERRUPT = b"ready", b"refused", b"interrupt"
LONGEST_MESSAGE = 1 << 20


@contextmanager
def shared_by_stages(kind: str = TENSORFLOW) -> Iterator[None]:
    """Makes this process the owner of a warm parent for the stage commands in the block, if it is not already."""
    try:
        _require_switched_on(os.environ)
        path, end = address(os.getpid(), kind), start(os.getpid(), kind)
    except OSError:
        yield
        return
    outer = os.environ.get(OWNER)  # this process too, if it has a parent of the other kind
    os.environ[OWNER] = str(os.getpid())
    try:
        yield
    finally:
        del os.environ[OWNER]
        if outer is not None:
            os.environ[OWNER] = outer
        end()
        Path(path).unlink(missing_ok=True)


def run_in_child(command: str, module: str = "transferline.cli.main", **changed: Any) -> int | None:
    """Runs this process's command, or another one, in a child of the warm parent.

    Args:
        command: the stage of `transferline stage …`, or the first word of another command.
        module: whose `main` does it.
        changed: `argv`, `cwd` and `environ`, as far as they are not those of this process.

    Returns:
        The child's exit status, or None if there is no warm parent to be had and nothing has been done.

    Raises:
        TransferlineError: the warm parent ended before the child.
    """
    try:
        with _connected(command, changed.get("environ", os.environ)) as connection:
            _ask(connection, module, [0, 1, 2], **changed)
            return _outcome(connection)
    except OSError:
        return None


def start(owner: int, kind: str = TENSORFLOW) -> Callable[[], None]:
    """Starts a warm parent that ends with the process `owner`; it can be connected to at once and answers when ready.

    Returns:
        What ends it before that.

    Raises:
        OSError: it cannot be, for instance because there is one already.
    """
    path = address(owner, kind)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, Path(os.devnull).open("r+b") as none:
        listener.bind(path)
        listener.listen()
        files = [listener.fileno(), none.fileno(), none.fileno()]
        arguments = [PARENT, str(owner), kind]
        if kind == TENSORFLOW:
            with contextlib.suppress(OSError):
                connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                connection.connect(address(owner, DVC))
                _ask(connection, PARENT, files, argv=arguments)
                return partial(_end_child, connection)
        command = [sys.executable, "-P", "-m", *arguments]
        stdin, stdout, stderr = files
        process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True)
    return partial(_end, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


def _end_child(connection: socket.socket) -> None:
    """Ends what was asked for over a connection, and waits until its parent has seen that end."""
    with connection, contextlib.suppress(OSError):
        connection.settimeout(SECONDS_TO_END)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(len(REFUSED)):
            pass


def address(owner: int, kind: str = TENSORFLOW) -> str:
    """The path of the socket of a warm parent of a process, in a folder of this user's only.

    Raises:
        OSError: there is no such process, this is not Linux, or the folder belongs to somebody else.
    """
    started = _stat(owner)[19]
    folder = Path(tempfile.gettempdir()) / f"transferline-{os.getuid()}"
    folder.mkdir(0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is open to others")
    return str(folder / f"{owner}-{started}-{kind}")


def _connected(command: str, environ: Mapping[str, str]) -> socket.socket:
    """A connection to a parent that is ready; OSError if there is none, or none yet and the command need not wait."""
    owner = _owner(environ)
    kind = DVC if command == "dvc" or (command in COME_BEFORE and OWNER in environ) else TENSORFLOW
    if command == "promote" and not Path(address(owner)).exists():
        kind = DVC  # nothing was trained: it may have nothing to decide, and need TensorFlow as little
    path = address(owner, kind)
    if command in (*STAGES, *COME_BEFORE) and not Path(path).exists():
        with contextlib.suppress(OSError):
            start(owner, kind)
    waits = kind == DVC or command in NEED_TENSORFLOW
    return _connected_to(path, SECONDS_FOR_IMPORTS if waits else SECONDS_FOR_ANSWER)


def _connected_to(path: str, timeout: float) -> socket.socket:
    """A connection to the parent at `path`, once it is ready within `timeout` seconds; else OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(timeout)
    connection.connect(path)
    if connection.recv(len(READY)) != READY:
        raise ConnectionError("the warm parent could not import what it has to")
    connection.settimeout(None)
    return connection


def _owner(environ: Mapping[str, str]) -> int:
    _require_switched_on(environ)
    if OWNER in environ:
        return int(environ[OWNER])
    pid = os.getppid()
    while pid > 1:
        words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        if any(Path(word).name == "dvc" for word in words[:3]):
            return pid
        pid = int(_stat(pid)[1])
    raise ProcessLookupError("no dvc above this process")


def _require_switched_on(environ: Mapping[str, str]) -> None:
    if environ.get(SWITCH) == "0" or environ.get(CHILD) == str(os.getpid()):
        raise ProcessLookupError("this process is to do its work itself")


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on: 1 is the parent's id, 19 the start in ticks since boot."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _ask(connection: socket.socket, module: str, files: list[int], **changed: Any) -> None:
    """Hands over all that makes a process behave like this one, but for what has `changed`; `files` become its standard
    ones."""
    umask = os.umask(0)
    os.umask(umask)
    request: dict[str, Any] = {
        "executable": sys.executable,
        "module": module,
        "argv": sys.argv,
        "path": sys.path,
        "cwd": str(Path.cwd()),
        "umask": umask,
        "environ": dict(os.environ),
        **changed,
    }
    socket.send_fds(connection, [json.dumps(request).encode()], files)


def _outcome(connection: socket.socket) -> int | None:
    """The child's exit status, None if the parent refused; Ctrl-C goes to the child."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(OSError):
            connection.send(INTERRUPT)

    if forwards := signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    try:
        answer = connection.recv(len(REFUSED))
    except ConnectionError:
        answer = b""
    finally:
        if forwards:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    if not answer:
        raise TransferlineError(f"the warm parent of this stage ended before it; run again, or with {SWITCH}=0")
    return None if answer == REFUSED else int(answer)
