"""The empty database of Prefect, which takes seconds to make: once for all workers of a test session."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

SESSION = "TRANSFERLINE_TEST_SESSION"  # the folder that the workers share
NAME = "prefect.db"


def give_database(home: Path) -> None:
    """Puts a copy into `home`, which PREFECT_HOME is to name."""
    made = Path(os.environ[SESSION]) / "prefect"
    with FileLock(made.with_suffix(".lock")):
        if not made.exists():
            env = os.environ | {"PREFECT_HOME": str(made)}
            command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
            subprocess.run(command, env=env, check=True, capture_output=True)
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(made / NAME, home)
