"""Atomic writing of files and folders: each is written under a temporary name and then renamed."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def completed(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the folder of `path`. At the end of the block that file replaces `path`.

    After an error `path` is unchanged. A missing parent folder is created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(path)
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def completed_folder(path: Path) -> Iterator[Path]:
    """Yields an empty temporary folder. At the end of the block it replaces the folder `path` and its content.

    After an error in the block `path` is unchanged.
    """
    partial = _beside(path)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if path.exists():
            shutil.rmtree(path)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def write_text(path: Path, text: str) -> None:
    """Writes a text in UTF-8. It is on disk before it replaces `path`, so that also a power failure leaves it whole."""
    with completed(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: Path, value: Any) -> None:
    """Writes indented JSON, which people can read and Git can compare."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
