"""Runs the commands of Git and DVC, and raises TransferlineError where one fails."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from transferline.errors import TransferlineError


def git(root: Path, *arguments: str) -> str:
    """Returns the output of `git ARGUMENTS` in the project's folder. Git never asks for a password.

    Raises:
        TransferlineError: the command fails.
    """
    return _output(["git", *arguments], root, {"GIT_TERMINAL_PROMPT": "0"}).decode(errors="replace")


def git_or_nothing(root: Path, *arguments: str, index: Path | None = None) -> bytes:
    """Returns the output of `git ARGUMENTS`; empty if the command fails, for instance because there is no commit yet.

    Args:
        root: the project's folder.
        arguments: the arguments of Git.
        index: the file that Git uses as its index; None for the repository's index.
    """
    try:
        return _output(["git", *arguments], root, {"GIT_INDEX_FILE": str(index)} if index else {})
    except TransferlineError:
        return b""


def dvc(root: Path, *arguments: str) -> str:
    """Returns the output of `dvc ARGUMENTS` in the project's folder.

    Raises:
        TransferlineError: the command fails.
    """
    return _output([sys.executable, "-m", "dvc", "--wait-for-lock", *arguments], root, {}).decode(errors="replace")


def merge_texts(own: str, old: str, new: str) -> tuple[str, bool]:
    """Merges the changes from `old` to `new` into `own`, with `git merge-file`.

    Returns:
        The merged text, and whether it has conflicts. Git marks them in the text.

    Raises:
        TransferlineError: Git cannot merge the texts.
    """
    with TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("yours", "old template", "template")]
        for file, text in zip(files, (own, old, new), strict=True):
            file.write_text(text, encoding="utf-8")
        labels = [word for file in files for word in ("-L", file.name)]
        done = _run(["git", "merge-file", "-p", *labels, *map(str, files)], Path(folder), {})
    if not 0 <= done.returncode < 128:  # below, it is the number of conflicts
        raise TransferlineError(f"`git merge-file` failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(), done.returncode > 0


def _output(command: list[str], root: Path, variables: dict[str, str]) -> bytes:
    done = _run(command, root, variables)
    if done.returncode:
        shown = " ".join(command).removeprefix(f"{sys.executable} -m ").replace("--wait-for-lock ", "")
        output = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise TransferlineError(f"`{shown}` failed: {output}")
    return done.stdout


def _run(command: list[str], root: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command, cwd=root, env=os.environ | variables, capture_output=True, check=False)
    except OSError as error:
        raise TransferlineError(f"{command[0]} cannot run in {root}: {error.strerror}; is it installed?") from error
