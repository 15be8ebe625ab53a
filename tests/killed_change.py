"""A program for tests: it changes the dataset `colors`, and kills itself after some steps.

Run `python -m tests.killed_change WHAT STEP NTH` in the project's folder.
"""

import os
import sys
from pathlib import Path

from transferline.datasets import change_files, merge, remove

STEPS = {
    "bring": (merge, "bring"),
    "move": (change_files, "_move"),
    "journal": (change_files, "write_json"),
    "dvc add": (change_files, "add_version"),
    "dvc remove": (remove, "dvc"),
}


def die_after(step: str, nth: int) -> None:
    owner, name = STEPS[step]
    original, calls = getattr(owner, name), []

    def dying(*arguments: object) -> object:
        result = original(*arguments)
        calls.append(name)
        if len(calls) == nth:
            os._exit(9)
        return result

    setattr(owner, name, dying)


if __name__ == "__main__":
    what, step, nth = sys.argv[1:]
    die_after(step, int(nth))
    match what:
        case "replace":
            merge.merge("../more", "colors", Path.cwd(), None, replace=True)
        case "photographs":
            remove.remove_photographs(Path.cwd(), "colors", ["red"])
        case "dataset":
            remove.remove_dataset(Path.cwd(), "colors", lambda _: True)
