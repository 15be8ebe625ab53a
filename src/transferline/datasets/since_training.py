"""Compares the raw images with those of the last training."""

from pathlib import Path

from transferline.datasets.dvc_lock_file import LOCK, trained_revision
from transferline.datasets.version_contents import read_both
from transferline.datasets.version_difference import Difference, compare_versions
from transferline.datasets.versions import listed_files, open_cache, workspace_files
from transferline.paths import RAW


def changes_since_training(root: Path, name: str) -> Difference:
    """Compares the files of a dataset with the version that `validate` last accepted. `dvc.lock` names that version.

    Args:
        root: the project's folder.
        name: the name of the dataset. Its folder must exist.

    Returns:
        The difference. Its `before` has no files if there was no training on this dataset yet.

    Raises:
        TransferlineError: DVC cannot read the project, or its cache no longer has the version of the last training.
    """
    cache, trained = open_cache(root), trained_revision(root, name)
    before = listed_files(cache, trained, LOCK.name) if trained else {}
    return compare_versions(*read_both(cache, name, (before, workspace_files(root, name)), root / RAW / name))
