"""Where a model comes from: data revision, Git commit and the hash of `dvc.lock`."""

import hashlib
import subprocess
from pathlib import Path

from transferline.data.locked import LOCK
from transferline.registry.trained_data import TrainedData


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def provenance(root: Path, data: TrainedData) -> dict[str, str]:
    """Tags that say what a model was made of; what is not known (no commit yet, no `dvc.lock`) is left out."""
    lock = root / LOCK
    tags = {
        **data.tags(),
        "git_commit": _git(root, "rev-parse", "HEAD"),
        "git_changed": _git(root, "status", "--porcelain", "--untracked-files=no") and "yes",
        "dvc_lock_sha256": file_sha256(lock) if lock.exists() else "",
    }
    return {name: value for name, value in tags.items() if value}


def _git(root: Path, *arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""
