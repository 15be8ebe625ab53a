"""The origin of a model: data revision, Git commit and the hash of `dvc.lock`."""

from pathlib import Path

from transferline.datasets.dvc_lock_file import LOCK
from transferline.git_and_dvc import git_or_nothing
from transferline.hashes import file_sha256
from transferline.registry.trained_data import TrainedData


def provenance(root: Path, data: TrainedData) -> dict[str, str]:
    """Returns tags with the origin of a model; unknown values (without a commit or `dvc.lock`) are left out."""
    lock = root / LOCK
    tags = {
        **data.tags(),
        "git_commit": _git(root, "rev-parse", "HEAD"),
        "git_changed": _git(root, "status", "--porcelain", "--untracked-files=no") and "yes",
        "dvc_lock_sha256": file_sha256(lock) if lock.exists() else "",
    }
    return {name: value for name, value in tags.items() if value}


def _git(root: Path, *arguments: str) -> str:
    return git_or_nothing(root, *arguments).decode(errors="replace").strip()
