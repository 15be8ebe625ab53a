"""Which process did something, and whether it is still there."""

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
# the start of a process, as the kernel reckons it, moves a little when the clock is set
CLOCK_TOLERANCE = 2.0


@dataclass(frozen=True)
class Identity:
    """A process: its host, its number there and when it started, in seconds since the epoch."""

    host: str
    pid: int
    started: float

    def tags(self) -> dict[str, str]:
        """The same as the tags that its runs carry in Prefect and MLflow."""
        return {"process_host": self.host, "process_pid": str(self.pid), "process_started": str(self.started)}

    @classmethod
    def of(cls, tags: Mapping[str, object]) -> Self | None:
        """The process that a run's tags name; None if they name none."""
        names = ("process_host", "process_pid", "process_started")
        if not all(name in tags for name in names):
            return None
        host, pid, started = (str(tags[name]) for name in names)
        return cls(host, int(pid), float(started))

    def is_dead(self) -> bool:
        """Whether it surely is not there any more; of another host nobody knows."""
        return self.host == socket.gethostname() and not is_alive(self.pid, self.started)


def own_identity() -> Identity:
    """Of this process."""
    return Identity(socket.gethostname(), os.getpid(), psutil.Process().create_time())


def is_alive(pid: int, before: float) -> bool:
    """Whether there is a process `pid` on this host that started no later than `before`: the number is used again."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= before + CLOCK_TOLERANCE
    except psutil.NoSuchProcess:
        return False


def end_with_parent() -> None:
    """The initializer of a pool's workers: leaves Ctrl-C to the process that started this one, and ends with that one,
    also where it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_after_parent, daemon=True).start()


def _exit_after_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker of a pool has one"
    parent.join()
    os._exit(1)


def end_processes(is_meant: Callable[[dict[str, str]], bool]) -> int:
    """Ends the processes with an environment that is meant, by SIGINT, which DVC takes well, or by force.

    Returns:
        How many there were.
    """
    meant = [process for process in psutil.process_iter(["environ"]) if is_meant(process.info["environ"] or {})]
    for sign in (signal.SIGINT, signal.SIGKILL):
        for process in meant:
            if process.is_running():
                process.send_signal(sign)
        if not psutil.wait_procs(meant, SECONDS_TO_END)[1]:
            break
    return len(meant)
