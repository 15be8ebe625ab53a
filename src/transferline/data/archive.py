"""Unpacks zip and tar files that nobody has looked into."""

import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from transferline.errors import TransferlineError
from transferline.progress import say

GIB = 2**30
MAX_BYTES = 200 * GIB  # unpacked
MAX_FILES = 5_000_000
MAX_RATIO = 200  # unpacked bytes to those of the archive; images hardly compress at all
RATIO_COUNTS_FROM = GIB // 16  # unpacked bytes up to which an archive may have any ratio

PIECE = 2**20
MACOS_EXTRAS = "__MACOSX"


@dataclass(frozen=True)
class Entry:
    """A file (with `open`) or folder (without) of an archive."""

    name: str
    open: Callable[[], IO[bytes] | None] | None


def unpack(archive: Path, target: Path, subfolder: str | None) -> None:
    """Unpacks a zip or tar (plain, gz, bz2, xz) into `target`, or only what is in `subfolder`, without that prefix.

    Names, contents and empty folders are kept; permissions, owners and times are not. `__MACOSX`, which macOS adds
    for its own use, is left out.

    Raises:
        TransferlineError: it is no archive, damaged or encrypted, has nothing in `subfolder`, holds a path outside of
            itself, a link, a device or a path twice, or more than the limits at the top of this module allow. What was
            unpacked so far is left to the caller.
    """
    budget = _Budget(archive)
    top = PurePosixPath(subfolder or "")
    seen: set[str] = set()
    try:
        for entry in _entries(archive):
            path = _safe_path(entry.name, archive)
            seen.add(path.parts[0] if path.parts else ".")
            budget.count_entry()
            if MACOS_EXTRAS not in path.parts and path.is_relative_to(top):
                _write(entry, target / path.relative_to(top), budget)
    except (*DAMAGE, NotImplementedError, RuntimeError) as error:
        raise TransferlineError(f"{archive} is damaged, encrypted or of an unknown kind: {error}") from error
    if not any(target.iterdir()):
        raise TransferlineError(f"{archive}: nothing in it below '{top}'; at its top are {', '.join(sorted(seen)[:20])}")
    say(f"unpacked {budget.entries} entries, {budget.unpacked / 1e6:.1f} MB")
