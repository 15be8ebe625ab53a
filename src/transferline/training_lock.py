"""The lock that allows one training at a time in a project. Its file names the process that holds it.

The lock is freed when that process ends.
"""

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from transferline.errors import TransferlineError
from transferline.processes import Identity, end_processes, own_identity
from transferline.progress import say

VARIABLE = "TRANSFERLINE_LOCK"
FILE = Path(".transferline/lock")


class LockHeldError(TransferlineError):
    """Another process trains in the project."""


@dataclass(frozen=True)
class Holder:
    """The process that holds the lock. Every process that it starts has `token` in the variable `VARIABLE`."""

    token: str
    host: str
    pid: int
    started: float
    since: str
    command: str

    @property
    def identity(self) -> Identity:
        """The identity of the process."""
        return Identity(self.host, self.pid, self.started)


@contextmanager
def held(root: Path, command: str, seconds: float = 0) -> Iterator[bool]:
    """Holds the project's lock during the block. Processes that the holder starts share its lock.

    The kernel frees the lock when its holder ends or is killed. A killed holder can leave processes that still run.
    They are ended before the lock is taken.

    Args:
        root: the project's folder.
        command: the name of this process in the error message of another process that needs the lock.
        seconds: how long to wait for the lock.

    Yields:
        Whether the lock was that of a process that was killed.

    Raises:
        LockHeldError: another process holds the lock; the message names that process.
        TransferlineError: the holder that started this process was killed.
    """
    if token := os.environ.get(VARIABLE):
        _require_live_holder(root, token)
        yield False
        return
    left = _holder(root / FILE)
    with _taken(root, seconds) as file:
        if left:
            say(f"freed the lock of {_describe(left)}, which was killed")
        holder = Holder(uuid.uuid4().hex, **asdict(own_identity()), since=_now(), command=command)
        file.write_text(json.dumps(asdict(holder)), encoding="utf-8")
        os.environ[VARIABLE] = holder.token
        try:
            yield left is not None
        finally:
            del os.environ[VARIABLE]
            file.write_text("", encoding="utf-8")


def clear(root: Path) -> list[str]:
    """Ends the processes that a killed holder left running and frees its lock; returns a sentence for each action.

    Raises:
        LockHeldError: a live process holds the lock.
    """
    file = root / FILE
    holder = _holder(file)
    with _taken(root):
        return [f"freed the lock of {_describe(holder)}, which was killed"] if holder else []


@contextmanager
def _taken(root: Path, seconds: float = 0) -> Iterator[Path]:
    file = root / FILE
    file.parent.mkdir(exist_ok=True)
    try:
        with FileLock(file, timeout=seconds):
            if left := _holder(file):
                end_processes(lambda environment: environment.get(VARIABLE) == left.token)
                file.write_text("", encoding="utf-8")
            yield file
    except Timeout as error:
        holder = _holder(file)
        who = _describe(holder) if holder else "a process that has just started"
        raise LockHeldError(f"{root}: {who} is at work in this project; wait until it has ended, or stop it") from error


def _require_live_holder(root: Path, token: str) -> None:
    holder = _holder(root / FILE)
    if holder is None or holder.token != token or holder.identity.is_dead():
        raise TransferlineError(
            f"the run that started this process was killed ({VARIABLE} names no live holder); start that run again"
        )


def _holder(file: Path) -> Holder | None:
    """Returns the process that the file names; None if it names none, or if a kill or a full disk cut it off."""
    try:
        return Holder(**json.loads(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _describe(holder: Holder) -> str:
    return f"{holder.command} (pid {holder.pid} on {holder.host}, since {holder.since})"


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z")
