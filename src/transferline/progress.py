"""Progress messages of long work, as plain lines for a terminal and for a task's log."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")

SECONDS_BETWEEN_LINES = 3.0


def say(message: str) -> None:
    """Prints one line immediately, also if the output is a pipe."""
    print(message, flush=True)


def progress(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Yields `items`, and prints every few seconds how many of `total` are done and the seconds left."""
    start = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES and done < total:
            last = now
            say(f"{what}: {done} of {total}, about {(now - start) / done * (total - done):.0f} s left")


def nothing_to_do(reason: str, output: Path) -> None:
    """Creates an empty output folder for a stage that has no work for its candidate, and prints the reason."""
    output.mkdir(parents=True, exist_ok=True)
    say(f"nothing to do: {reason}")
