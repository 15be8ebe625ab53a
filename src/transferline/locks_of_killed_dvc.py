"""Locks of DVC whose process was killed. DVC takes such a number for alive once another process has it."""

import json
from pathlib import Path
from typing import Any

from dvc.lock import make_lock
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

from transferline.processes import is_alive


def free_dvc_locks(root: Path) -> list[str]:
    """Takes the dead out of DVC's list of who reads and writes which path; returns what was done, in sentences.

    DVC's other lock, `.dvc/tmp/lock`, is the kernel's and ends with its process.
    """
    folder = root / ".dvc" / "tmp"
    file = folder / RWLOCK_FILE
    if not file.exists():
        return []
    with make_lock(str(folder / RWLOCK_LOCK), wait=True):
        written = file.stat().st_mtime
        locks = json.loads(file.read_text(encoding="utf-8"))
        infos = [info for entry in locks.get("read", {}).values() for info in entry] + [
            *locks.get("write", {}).values()
        ]
        dead = {info["pid"]: info["cmd"] for info in infos if not is_alive(info["pid"], written)}
        if dead:
            file.write_text(json.dumps(_without(locks, set(dead))), encoding="utf-8")
    return [f"freed what `{command}` (pid {pid}), which was killed, had locked in DVC" for pid, command in dead.items()]


def _without(locks: dict[str, Any], dead: set[int]) -> dict[str, Any]:
    readers = {
        path: [info for info in infos if info["pid"] not in dead] for path, infos in locks.get("read", {}).items()
    }
    return {
        "read": {path: infos for path, infos in readers.items() if infos},
        "write": {path: info for path, info in locks.get("write", {}).items() if info["pid"] not in dead},
    }
