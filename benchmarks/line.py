"""The default run, runs with nothing to do, and quick commands."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, Clock, Limit

WAYS = ("default_run",)
QUICK_WAYS = ("nothing_to_do",)
ROWS = (Limit("default run, without Prefect's migration of an empty database", "default_run.run", 130, 83),)
QUICK_ROWS = (
    Limit("nothing changed: `transferline run`", "nothing_to_do.run", 3, 2),
    Limit("nothing changed: `dvc repro`", "nothing_to_do.repro", 5, 2),
    Limit("`transferline --help`", "nothing_to_do.help", 0.5, 0.2),
    Limit("`transferline status`", "nothing_to_do.status", 2, 1),
)


def _project(root: Path) -> Path:
    """A project as a fresh clone has it, with nothing run yet."""
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    shutil.rmtree(root, ignore_errors=True)
    for name in tracked.stdout.splitlines():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "b"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


def _timed(root: Path, *command: str) -> dict[str, float]:
    env, started = {**os.environ, "PREFECT_HOME": str(root / ".prefect")}, Clock()
    done = subprocess.run([sys.executable, "-c", *command], cwd=root, env=env, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"{command[1:]} failed: {done.stdout[-200:]}{done.stderr[-200:]}")
    return started.read()


TRANSFERLINE = "import sys; sys.argv[0] = 'transferline'; from transferline.cli.main import main; main()"
PREFECT = "from prefect.cli import app; app()"
DVC = "import sys; sys.argv[0] = 'dvc'; from dvc.cli import main; sys.exit(main())"


def default_run(folder: Path) -> dict[str, Any]:
    """`transferline run` in a fresh project, whose database Prefect has made."""
    root = _project(folder / "project")
    _timed(root, PREFECT, "server", "database", "upgrade", "-y")
    return {"run": _timed(root, TRANSFERLINE, "run")}


def nothing_to_do(folder: Path) -> dict[str, Any]:
    """The project of `default_run` once more."""
    root = folder / "project"
    return {
        "run": _timed(root, TRANSFERLINE, "run"),
        "repro": _timed(root, DVC, "repro"),
        "help": _timed(root, TRANSFERLINE, "--help"),
        "status": _timed(root, TRANSFERLINE, "status"),
    }
