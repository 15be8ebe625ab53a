"""Progress of long work, as plain lines that read well in a terminal and in a task's log."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")

SECONDS_BETWEEN_LINES = 3.0


def say(message: str) -> None:
    """Prints one line at once, also through a pipe."""
    print(message, flush=True)


def progress(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Yields `items` and prints every few seconds how many of `total` are done and how long the rest takes."""
    start = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES and done < total:
            last = now
            say(f"{what}: {done} of {total}, about {(now - start) / done * (total - done):.0f} s left")


def nothing_to_do(reason: str, output: Path) -> None:
    """Leaves an empty folder as the output of a stage that a candidate does not have, and says so."""
    output.mkdir(parents=True, exist_ok=True)
    say(f"nothing to do: {reason}")
