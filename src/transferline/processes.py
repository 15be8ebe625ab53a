"""Identifies processes, checks whether they still run, and ends them."""

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import psutil

SECONDS_TO_END = 10.0
# seconds; the start time that the kernel reports shifts a little when the clock is set
CLOCK_TOLERANCE = 2.0


@dataclass(frozen=True)
class Identity:
    """A process: its host, its process id, and its start time in seconds since the epoch."""

    host: str
    pid: int
    started: float

    def tags(self) -> dict[str, str]:
        """Returns the identity as the tags that runs have in Prefect and MLflow."""
        return {"process_host": self.host, "process_pid": str(self.pid), "process_started": str(self.started)}

    @classmethod
    def of(cls, tags: Mapping[str, object]) -> Self | None:
        """Returns the process that a run's tags name; None if they name no process."""
        names = ("process_host", "process_pid", "process_started")
        if not all(name in tags for name in names):
            return None
        host, pid, started = (str(tags[name]) for name in names)
        return cls(host, int(pid), float(started))

    def is_dead(self) -> bool:
        """Returns whether the process has ended. A process on another host cannot be checked and counts as alive."""
        return self.host == socket.gethostname() and not is_alive(self.pid, self.started)


def own_identity() -> Identity:
    """Returns the identity of this process."""
    return Identity(socket.gethostname(), os.getpid(), psutil.Process().create_time())


def is_alive(pid: int, before: float) -> bool:
    """Returns whether a process `pid` that started no later than `before` runs on this host.

    A process that started later is another one: the system reuses process ids.
    """
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= before + CLOCK_TOLERANCE
    except psutil.NoSuchProcess:
        return False


def end_with_parent() -> None:
    """Initializes a worker of a process pool: it ignores Ctrl-C, and ends when its parent process ends or is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_after_parent, daemon=True).start()


def _exit_after_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker of a pool has a parent process"
    parent.join()
    os._exit(1)


def end_processes(is_meant: Callable[[dict[str, str]], bool]) -> int:
    """Ends every process whose environment variables `is_meant` accepts.

    Each gets SIGINT, on which DVC shuts down cleanly, and SIGKILL if it still runs after `SECONDS_TO_END`.

    Returns:
        The number of these processes.
    """
    meant = [process for process in psutil.process_iter(["environ"]) if is_meant(process.info["environ"] or {})]
    for sign in (signal.SIGINT, signal.SIGKILL):
        for process in meant:
            if process.is_running():
                process.send_signal(sign)
        if not psutil.wait_procs(meant, SECONDS_TO_END)[1]:
            break
    return len(meant)
