"""Where a model comes from: data revision, Git commit and the hash of `dvc.lock`."""

from pathlib import Path

from ruamel.yaml import YAML

from transferline.git_and_dvc import git_or_nothing
from transferline.hashes import file_sha256
from transferline.paths import RAW


def provenance(root: Path, dataset: str) -> dict[str, str]:
    """Tags that say what a model was made of; what is not known (no commit yet, no DVC file) is left out."""
    lock = root / "dvc.lock"
    tags = {
        "dataset": dataset,
        "data_revision": data_revision(root, dataset),
        "git_commit": _git(root, "rev-parse", "HEAD"),
        "git_changed": _git(root, "status", "--porcelain", "--untracked-files=no") and "yes",
        "dvc_lock_sha256": file_sha256(lock) if lock.exists() else "",
    }
    return {name: value for name, value in tags.items() if value}


def data_revision(root: Path, dataset: str) -> str:
    """DVC's hash of the raw dataset: from its `.dvc` file, or for a public set from `data/dvc.lock`; else empty."""
    own, public = root / RAW / f"{dataset}.dvc", root / "data" / "dvc.lock"
    reader = YAML(typ="safe", pure=True)
    if own.exists():
        return str(reader.load(own)["outs"][0]["md5"])
    if public.exists():
        stage = reader.load(public)["stages"].get(f"fetch@{dataset}")
        return str(stage["outs"][0]["md5"]) if stage else ""
    return ""


def _git(root: Path, *arguments: str) -> str:
    return git_or_nothing(root, *arguments).decode(errors="replace").strip()
