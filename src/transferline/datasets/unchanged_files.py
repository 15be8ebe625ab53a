"""Refuses files that change while a stage reads them. DVC hashes what a stage depends on only after it has ended."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from transferline.errors import TransferlineError
from transferline.text import first_of, printable

SHOWN = 10  # paths in a message


@contextmanager
def unchanged_files(*paths: Path) -> Iterator[None]:
    """Checks at the end of the block that files are as they were at its start, by their sizes and times.

    Args:
        paths: files, and folders with all files in them. A path that does not exist must not come into existence.

    Raises:
        TransferlineError: files were added, changed or deleted. No exception if the block itself fails.
    """
    before = _sizes_and_times(paths)
    yield
    after = _sizes_and_times(paths)
    different = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if different:
        counted = f"{len(different):,} files were" if len(different) > 1 else "1 file was"
        raise TransferlineError(
            f"{counted} added, changed or deleted while the files were read: "
            f"{first_of([printable(path) for path in different], SHOWN)}; run this again"
        )


def _sizes_and_times(paths: tuple[Path, ...]) -> Mapping[Path, tuple[int, int]]:
    inside = (Path(here, name) for path in paths for here, _, names in os.walk(path) for name in names)
    found = {}
    for path in (*(path for path in paths if not path.is_dir()), *inside):
        with suppress(OSError):  # it does not exist, or is a broken link
            status = path.stat()
            found[path] = (status.st_size, status.st_mtime_ns)
    return found
