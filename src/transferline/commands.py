"""Git and DVC as commands, with their error as ours."""

import os
import subprocess
import sys
from pathlib import Path

from transferline.errors import TransferlineError


def git(root: Path, *arguments: str) -> str:
    """What `git ARGUMENTS` prints in the project's folder; it never asks for a password.

    Raises:
        TransferlineError: it fails.
    """
    return _output(["git", *arguments], root, {"GIT_TERMINAL_PROMPT": "0"})


def dvc(root: Path, *arguments: str) -> str:
    """What `dvc ARGUMENTS` prints in the project's folder.

    Raises:
        TransferlineError: it fails.
    """
    return _output([sys.executable, "-m", "dvc", "--wait-for-lock", *arguments], root, {})


def _output(command: list[str], root: Path, variables: dict[str, str]) -> str:
    env = os.environ | variables
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        shown = " ".join(command).removeprefix(f"{sys.executable} -m ").replace("--wait-for-lock ", "")
        raise TransferlineError(f"`{shown}` failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout
