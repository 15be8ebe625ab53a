"""Converted networks in the user's cache folder: a machine converts the same network once.

An entry is one file, a zip archive, named by the sha256 of its key: what its content follows from. The folder is
`transferline` in the user's cache folder, or the one that the environment variable TRANSFERLINE_CACHE names.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

from filelock import FileLock
from platformdirs import user_cache_path

from transferline.atomic_files import completed
from transferline.progress import say

VARIABLE = "TRANSFERLINE_CACHE"
MOST_BYTES = 2 << 30  # of all entries together
KEY_FILE, SUFFIX, LOCK_FILE = "key.json", ".zip", "lock"

Key = Mapping[str, object]
Files = dict[str, bytes]


def read_converted(key: Key) -> Files | None:
    """The files of an entry by name; None if there is none, or it is damaged or has another key."""
    file = _file(key)
    try:
        with ZipFile(file) as archive:  # which checks that each file in it is whole
            found = {name: archive.read(name) for name in archive.namelist()}
        os.utime(file)  # the entry whose use is longest ago is dropped first
    except Exception:  # damaged archives raise nearly anything
        return None
    return found if found.pop(KEY_FILE, None) == _text(key) else None


def write_converted(key: Key, files: Files) -> None:
    """Keeps an entry, and drops those whose use is longest ago where all together take more than `MOST_BYTES`.

    Where that fails, it says so and goes on: what is not kept is converted again.
    """
    file = _file(key)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.parent / LOCK_FILE):
            with completed(file) as partial, ZipFile(partial, "w") as archive:
                for name, content in {KEY_FILE: _text(key), **files}.items():
                    archive.writestr(name, content)
            _drop_oldest(file.parent)
    except OSError as error:
        say(f"the converted network is not kept for the next time: {file.parent} cannot be written ({error})")


def _file(key: Key) -> Path:
    folder = os.environ.get(VARIABLE)
    name = hashlib.sha256(_text(key)).hexdigest() + SUFFIX
    return (Path(folder) if folder else user_cache_path("transferline")) / name


def _text(key: Key) -> bytes:
    return json.dumps(key, sort_keys=True).encode()


def _drop_oldest(folder: Path) -> None:
    """Also removes what writers that were killed left half written: the caller holds the lock."""
    for partial in folder.glob(f".*{SUFFIX}.partial"):
        partial.unlink()
    entries = sorted(folder.glob(f"*{SUFFIX}"), key=lambda entry: entry.stat().st_mtime, reverse=True)
    total = 0
    for entry in entries:
        total += entry.stat().st_size
        if total > MOST_BYTES:
            entry.unlink()
