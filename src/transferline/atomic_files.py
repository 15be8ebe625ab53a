"""Files and folders that appear only complete: they are written beside their place and then moved there."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def completed(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to; at the end of the block that file replaces `path`.

    After an error `path` is as before. The folder of `path` is made if need be.
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
    """Yields an empty folder beside `path`; at the end of the block it replaces `path`, with all that was in it.

    After an error `path` is as before.
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
    """Writes a text in UTF-8."""
    with completed(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes JSON for people to read and Git to compare."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
