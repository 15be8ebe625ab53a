"""Compares two versions of a dataset: `transferline data diff`."""

from pathlib import Path
from typing import NamedTuple

from transferline.datasets.changes_by_hand import require_files
from transferline.datasets.own_datasets import require_versioned
from transferline.datasets.revisions import dvc_file, recorded_hash
from transferline.datasets.version_contents import read_both
from transferline.datasets.version_difference import Difference, compare_versions
from transferline.datasets.versions import (
    Cache,
    Files,
    open_cache,
    recorded_files,
    require_revision,
    workspace_files,
)
from transferline.errors import TransferlineError
from transferline.git_and_dvc import git
from transferline.paths import RAW

WORKSPACE = "the workspace"


class Compared(NamedTuple):
    """Two compared versions: their names, their difference, and the folder of the newer one (None: in the cache)."""

    old: str
    new: str
    difference: Difference
    cache: Cache
    workspace: Path | None


def diff(root: Path, name: str, revisions: str | None) -> Compared:
    """Compares two versions of a dataset.

    Args:
        root: the project's folder.
        name: the name of a dataset with a `.dvc` file.
        revisions: None compares the last commit with the workspace, a Git revision compares that with the workspace,
            and `OLD..NEW` compares two Git revisions.

    Raises:
        TransferlineError: there is no such dataset or revision, or a version cannot be read.
    """
    old, new = _split(revisions)
    if new == WORKSPACE:
        require_versioned(root, name)
        require_files(root, name)
    cache = open_cache(root)
    before = _last_commit(cache, name) if revisions is None else recorded_files(cache, name, old)
    workspace = root / RAW / name if new == WORKSPACE else None
    after = workspace_files(root, name) if workspace else recorded_files(cache, name, new)
    difference = compare_versions(*read_both(cache, name, (before, after), workspace))
    return Compared(old, new, difference, cache, workspace)


def _split(revisions: str | None) -> tuple[str, str]:
    """Returns the older and the newer revision. As in Git, a missing side of `..` means the last commit."""
    old, dots, new = (revisions or "HEAD").partition("..")
    if new.startswith("."):
        raise TransferlineError(f"{revisions}: give one Git revision, or two as OLD..NEW")
    return old or "HEAD", (new or "HEAD") if dots else WORKSPACE


def _last_commit(cache: Cache, name: str) -> Files:
    """Returns the files of the last commit's version; none if it lacks the dataset, or if there is no commit yet."""
    if not git(cache.root, "rev-list", "--all", "--max-count=1"):
        return {}
    require_revision(cache.root, "HEAD")
    there = recorded_hash(cache.root, name, "HEAD") is not None
    return recorded_files(cache, name, "HEAD") if there else {}


def describe_changes(compared: Compared, name: str) -> str:
    """Describes the difference and the two versions in words."""
    hint = ""
    if compared.old == "HEAD" and not compared.difference.before.files:
        hint = f" (no commit has {dvc_file(name)} yet)"
    return f"{RAW / name}, {compared.old} to {compared.new}{hint}: {compared.difference}"
