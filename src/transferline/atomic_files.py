"""Files that appear only complete: they are written beside their place and then moved there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def completed(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to; at the end of the block that file replaces `path`.

    After an error `path` is as before. The folder of `path` is made if need be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text in UTF-8."""
    with completed(path) as partial:
        partial.write_text(text, encoding="utf-8")
