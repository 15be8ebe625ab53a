"""The process that `warm.py` tells of: `python -m transferline.warm_parent OWNER KIND`, its socket as standard input.

It must have one thread and have run no TensorFlow operation when it forks: threads do not survive a fork. OpenBLAS
ends its threads before each fork and starts them again when they are needed; Arrow's allocator is told to have none.
"""

import atexit
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import transferline
from transferline import environment, warm
from transferline.quiet import without_wrappers
from transferline.warm_imports import AT_ONCE, LATER

PR_SET_PDEATHSIG = 1
# Set by DVC, Prefect, a shell or what a stage imports, and read by nothing while it is imported here.
VARYING = ("DVC_", "KMP_", "MLFLOW_", "PREFECT_", "TRANSFERLINE_")
VARYING_NAMES = ("PATH", "PWD", "OLDPWD", "SHLVL", "_", "PS1", "LOGNAME", "COLUMNS", "LINES")

Request = dict[str, Any]

exit_status = 1  # of an exception that nobody expected


class Parent:
    """Forks a child for each request, passes Ctrl-C on, and ends a child whose client is gone."""

    def __init__(self, owner: int, listener: socket.socket, later: Sequence[str]) -> None:
        self.listener = listener
        self.later = list(later)
        self.waiting: list[tuple[socket.socket, Request, list[int]]] = []  # who needs all that it imports
        self.owner = os.pidfd_open(owner)
        self.environ = _comparable(os.environ)
        self.source = _own_source()
        self.children: dict[socket.socket, int] = {}  # the process that each connection asked for
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ)
        self.selector.register(self.owner, selectors.EVENT_READ)

    def serve(self) -> Request | None:
        """Returns in each child, with its request, and at the owner's end, with None."""
        while True:
            events = self.selector.select(0 if self.later or self.waiting else None)
            if not events and self.later:
                found = pkgutil.resolve_name(self.later.pop(0))
                if callable(found):
                    found()
                self.source = _own_source() | self.source
            elif not events and (request := self._fork(*self.waiting.pop())):
                return request
            for key, _ in events:
                if key.fileobj is self.listener:
                    self._greet()
                elif key.fileobj == self.owner:
                    for child in self.children.values():  # with what it has started
                        with suppress(ProcessLookupError):
                            os.killpg(child, signal.SIGKILL)
                    return None
                elif isinstance(key.fileobj, socket.socket):
                    if request := self._hear(key.fileobj):
                        return request
                else:
                    self._finish(key.fd, key.data)

    def _greet(self) -> None:
        connection, _ = self.listener.accept()
        with suppress(OSError):  # it may have stopped waiting
            connection.send(warm.READY)
        self.selector.register(connection, selectors.EVENT_READ)

    def _hear(self, connection: socket.socket) -> Request | None:
        """Acts on a message, or on its end; in the child it forked for one, returns the request."""
        try:
            message, files, _, _ = socket.recv_fds(connection, warm.LONGEST_MESSAGE, 3)
        except ConnectionError:
            message, files = b"", []
        child = self.children.get(connection)
        if child:
            os.killpg(child, signal.SIGINT if message else signal.SIGKILL)
        elif message:
            request = json.loads(message)
            if request["module"] != warm.PARENT:
                return self._fork(connection, request, files)
            self.waiting.append((connection, request, files))
        if not message:
            self.selector.unregister(connection)
            self.waiting = [asked for asked in self.waiting if asked[0] is not connection]
            if not child:
                connection.close()
        return None

    def _fork(self, connection: socket.socket, request: Request, files: list[int]) -> Request | None:
        same = request["executable"] == sys.executable and _comparable(request["environ"]) == self.environ
        gc.freeze()  # a collection in the child would copy every page that it looks at
        child = os.fork() if same else None
        if child == 0:
            self._close()
            return request | {"files": files}
        for file in files:
            os.close(file)
        if child is None:
            connection.send(warm.REFUSED)
        else:
            os.setpgid(child, child)
            self.children[connection] = child
            self.selector.register(os.pidfd_open(child), selectors.EVENT_READ, connection)
        return None

    def _finish(self, process: int, connection: socket.socket) -> None:
        """Tells the exit status of a child that has ended."""
        self.selector.unregister(process)
        os.close(process)
        _, status = os.waitpid(self.children.pop(connection), 0)
        code = os.waitstatus_to_exitcode(status)
        with suppress(OSError):  # the client may be gone
            connection.send(str(code if code >= 0 else 128 - code).encode())
        with suppress(KeyError):
            self.selector.unregister(connection)
        connection.close()

    def _close(self) -> None:
        """Closes in a child what only its parent needs."""
        for key in list(self.selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
            else:
                os.close(key.fd)
        self.selector.close()


def _comparable(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that have to be the same: what was imported may have read them."""
    kept = {name: value for name, value in environ.items() if not name.startswith(VARYING)}
    return {name: value for name, value in kept.items() if name not in VARYING_NAMES}


def _own_modules() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == "transferline"]


def _own_source() -> dict[str, tuple[int, int] | None]:
    """When the file of each module of ours that is imported was changed last, and its bytes; None if it is gone."""
    found: dict[str, tuple[int, int] | None] = {}
    for name in _own_modules():
        try:
            state = Path(str(sys.modules[name].__file__)).stat()
        except FileNotFoundError:
            found[name] = None
        else:
            found[name] = state.st_mtime_ns, state.st_size
    return found


def _become(request: Request, source: Mapping[str, tuple[int, int] | None]) -> None:
    """Makes this process like a fresh one that was started where the request comes from.

    Args:
        request: of `warm.run_in_child`.
        source: of our modules when they were imported. If it has changed since, they are imported again.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for number, file in enumerate(request["files"]):
        os.dup2(file, number)
        os.close(file)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    gc.enable()
    os.environ.clear()
    os.environ.update(request["environ"], **{warm.CHILD: str(os.getpid())})
    os.chdir(request["cwd"])
    os.umask(request["umask"])
    sys.argv[:], sys.path[:] = request["argv"], request["path"]
    importlib.invalidate_caches()
    spec = PathFinder.find_spec("transferline")
    if spec is None or spec.origin != transferline.__file__ or _own_source() != source:
        for name in _own_modules():
            del sys.modules[name]


def main() -> None:
    """Imports what its kind does, serves, and in each child runs the command line it was asked for."""
    owner, kind, listener = int(sys.argv[1]), sys.argv[2], socket.socket(fileno=0)
    parent = Parent(owner, listener, LATER[kind])
    atexit.register(_end_at_once)  # the first one that is registered is the last one that runs
    gc.disable()  # there is little to collect here, and looking for it is an eighth of the imports
    environment.prepare(Path.cwd())
    os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
    with without_wrappers():
        importlib.import_module(AT_ONCE[kind])
    request = parent.serve()
    if request is None:
        Path(listener.getsockname()).unlink(missing_ok=True)
    else:
        _become(request, parent.source)
        _run_command(request["module"])


def _run_command(module: str) -> None:
    global exit_status
    try:
        importlib.import_module(module).main()
    except SystemExit as end:
        exit_status = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise


def _end_at_once() -> None:
    """Ends the process without taking down the interpreter, which would copy every page that it shares: 0.4 s."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_status)


if __name__ == "__main__":
    main()
