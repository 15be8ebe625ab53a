"""A program for tests: worker processes do slow work, and each writes its process id.

Run `python -m tests.take_long FOLDER`.
"""

import os
import sys
import time
from functools import partial
from pathlib import Path

from transferline.compute import run_shards

ITEMS = 40


def take_long(folder: Path, item: int) -> None:
    """Writes the file `item`."""
    (folder / str(item)).write_text(str(os.getpid()))
    time.sleep(3)


if __name__ == "__main__":
    run_shards(partial(take_long, Path(sys.argv[1])), range(ITEMS), None, "x", in_processes=True)
