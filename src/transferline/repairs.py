"""Repairs the files that a kill or a full disk left damaged or locked, so that the next run works."""

from pathlib import Path

from transferline.datasets.change_files import repair_changes
from transferline.datasets.dvc_lock_file import restore_copy
from transferline.workarounds import free_dvc_locks


def repair_files(root: Path) -> list[str]:
    """Frees what killed processes had locked in DVC, and repairs a `dvc.lock` or a dataset that was half written.

    Returns:
        A sentence for each repair.
    """
    return [*free_dvc_locks(root), *restore_copy(root), *repair_changes(root)]
