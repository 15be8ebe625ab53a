"""Makes slow test data once for all workers of a test session."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

SESSION = "TRANSFERLINE_TEST_SESSION"  # the folder that the workers share


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name` of the session, made by the first test that asks for it. Tests read it, or change a copy."""
    folder = Path(os.environ[SESSION]) / name
    done = folder.with_suffix(".done")
    with FileLock(folder.with_suffix(".lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder
