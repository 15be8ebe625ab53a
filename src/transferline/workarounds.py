"""Workarounds for bugs of other tools: one function for each bug, with a link to the upstream issue.

tests/test_workarounds.py fails when the other tool has fixed a bug. Then delete its function here.
"""

import json
from pathlib import Path
from typing import Any

import psutil
from dvc.lock import make_lock
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK


def free_dvc_locks(root: Path) -> list[str]:
    """Removes killed processes from `.dvc/tmp/rwlock`, where DVC lists the paths that each process reads and writes.

    Usually DVC does this itself. But it does not if a new process has the same process id as the killed one. Then DVC
    refuses to run until somebody deletes the file: https://github.com/treeverse/dvc/issues/3164. DVC's other lock,
    `.dvc/tmp/lock`, needs no workaround: the kernel frees it when its process ends.

    Returns:
        A sentence for each killed process.
    """
    folder = root / ".dvc" / "tmp"
    file = folder / RWLOCK_FILE
    if not file.exists():
        return []
    with make_lock(str(folder / RWLOCK_LOCK), wait=True):
        locks = json.loads(file.read_text(encoding="utf-8"))
        infos = [info for entry in locks.get("read", {}).values() for info in entry] + [
            *locks.get("write", {}).values()
        ]
        dead = {info["pid"]: info["cmd"] for info in infos if not _is_at_work(**info)}
        if dead:
            file.write_text(json.dumps(_without(locks, set(dead))), encoding="utf-8")
    return [f"freed what `{command}` (pid {pid}), which was killed, had locked in DVC" for pid, command in dead.items()]


def _is_at_work(pid: int, cmd: str) -> bool:
    """Returns whether process `pid` runs and its command line ends with the arguments of `cmd`, as DVC recorded it."""
    try:
        return " ".join(psutil.Process(pid).cmdline()).endswith(cmd.partition(" ")[2])
    except psutil.NoSuchProcess:
        return False


def _without(locks: dict[str, Any], dead: set[int]) -> dict[str, Any]:
    readers = {
        path: [info for info in infos if info["pid"] not in dead] for path, infos in locks.get("read", {}).items()
    }
    return {
        "read": {path: infos for path, infos in readers.items() if infos},
        "write": {path: info for path, info in locks.get("write", {}).items() if info["pid"] not in dead},
    }
