"""A cache of converted networks in the user's cache folder, so that a machine converts the same network only once.

An entry is one file, a zip archive. Its name is the sha256 of its key, which holds everything that determines the
content. The folder is `transferline` in the user's cache folder, or the value of the environment variable
TRANSFERLINE_CACHE.
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
from transferline.text import reason_of

VARIABLE = "TRANSFERLINE_CACHE"
MOST_BYTES = 2 << 30  # of all entries together
KEY_FILE, SUFFIX, LOCK_FILE = "key.json", ".zip", "lock"

Key = Mapping[str, object]
Files = dict[str, bytes]


def read_converted(key: Key) -> Files | None:
    """Returns the files of an entry by name; None if the entry is missing, damaged or has another key."""
    file = _file(key)
    try:
        with ZipFile(file) as archive:  # checks the CRC of each file
            files = {name: archive.read(name) for name in archive.namelist()}
        os.utime(file)  # marks the entry as used: the least recently used entries are deleted first
    except Exception:  # a damaged archive can raise many kinds of exceptions
        return None
    return files if files.pop(KEY_FILE, None) == _text(key) else None


def write_converted(key: Key, files: Files) -> None:
    """Writes an entry. If all entries together exceed `MOST_BYTES`, deletes the least recently used ones.

    If writing fails, it prints a message and raises nothing: the network is then converted again next time.
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
        say(f"the converted network was not saved in the cache: {file.parent} cannot be written ({reason_of(error)})")


def _file(key: Key) -> Path:
    folder = os.environ.get(VARIABLE)
    name = hashlib.sha256(_text(key)).hexdigest() + SUFFIX
    return (Path(folder) if folder else user_cache_path("transferline")) / name


def _text(key: Key) -> bytes:
    return json.dumps(key, sort_keys=True).encode()


def _drop_oldest(folder: Path) -> None:
    """Deletes the least recently used entries above `MOST_BYTES`, and the partial files of killed processes.

    The caller holds the lock.
    """
    for partial in folder.glob(f".*{SUFFIX}.partial"):
        partial.unlink()
    entries = sorted(folder.glob(f"*{SUFFIX}"), key=lambda entry: entry.stat().st_mtime, reverse=True)
    total = 0
    for entry in entries:
        total += entry.stat().st_size
        if total > MOST_BYTES:
            entry.unlink()
