"""Finds and versions changes that a person made in a dataset by hand: added, edited or deleted images."""

from pathlib import Path
from typing import TYPE_CHECKING

from transferline.datasets.dvc_add import add_version, files_below, refuse_left_out, require_versionable
from transferline.datasets.forgotten_checkout import forgotten_checkout, refuse_forgotten_checkout
from transferline.datasets.revisions import dvc_file
from transferline.datasets.versions import is_import, open_cache, recorded_files, status_of, workspace_files
from transferline.errors import TransferlineError
from transferline.paths import RAW

if TYPE_CHECKING:
    from transferline.datasets.version_difference import Difference


def changes_by_hand(root: Path, name: str) -> "Difference | None":
    """Returns how the files of a dataset differ from the version in its `.dvc` file; None if they do not differ.

    A public dataset has no `.dvc` file; for it the result is None.

    Raises:
        TransferlineError: the dataset is missing or empty, contains files that DVC cannot version, or the version in
            the `.dvc` file cannot be read.
    """
    if not (root / dvc_file(name)).exists():
        return None
    require_files(root, name)
    if not status_of(root, name):
        return None
    from transferline.datasets.version_contents import read_both  # pandas takes half a second to import
    from transferline.datasets.version_difference import compare_versions

    cache = open_cache(root)
    before = recorded_files(cache, name)
    after = workspace_files(root, name)
    return compare_versions(*read_both(cache, name, (before, after), root / RAW / name))


def require_files(root: Path, name: str) -> None:
    """Checks that the dataset's folder exists and contains files, and that DVC can version all of them.

    Raises:
        TransferlineError: the check fails. If files are missing, the message says how to restore them.
    """
    folder = RAW / name
    paths = files_below(root / folder)
    if not paths:
        state = "is empty" if (root / folder).is_dir() else "is missing"
        raise TransferlineError(
            f"{folder} {state}; `dvc checkout {folder}.dvc` restores it from DVC's cache, `dvc pull {folder}.dvc` "
            "from the remote"
        )
    require_versionable(paths, folder)


def version_by_hand(root: Path, name: str) -> str:
    """Versions the changes that a person made in a dataset (`dvc add`), so that all training data has a version.

    Returns:
        A message about the changes; "" if there are none.

    Raises:
        TransferlineError: the dataset is missing, contains files that DVC cannot version, is an edited import, or
            `dvc checkout` was forgotten after `git pull`.
    """
    if not (root / dvc_file(name)).exists():
        return ""
    require_files(root, name)
    refuse_left_out(root, name)
    if not status_of(root, name):
        return ""
    refuse_edited_import(root, name)
    refuse_forgotten_checkout(root, name)
    changes = describe_by_hand(root, name)
    add_version(root, name)
    return f"{RAW / name} was changed by hand: {changes}; versioned with `dvc add`: commit {dvc_file(name)}"


def refuse_edited_import(root: Path, name: str) -> None:
    """Raises a TransferlineError if a person has edited an import: its next update would overwrite the changes."""
    there = (root / dvc_file(name)).exists() and (root / RAW / name).exists()
    if there and is_import(root, name) and status_of(root, name):
        refuse_forgotten_checkout(root, name)
        raise TransferlineError(f"{RAW / name} {describe_by_hand(root, name)}")


def describe_by_hand(root: Path, name: str) -> str:
    """Describes how the files of a dataset differ from its `.dvc` file, or why this is unknown; "" if they do not."""
    if not (root / dvc_file(name)).exists():
        return ""
    try:
        if status_of(root, name) and (forgotten := forgotten_checkout(root, name)):
            return forgotten
        changes = str(changes_by_hand(root, name) or "")
    except TransferlineError as error:
        changes = str(error)
    if changes and (root / RAW / name).exists() and is_import(root, name):
        return (
            f"is an import and was edited by hand ({changes}), which cannot be versioned here: `dvc checkout --force "
            f"{dvc_file(name)}` restores it. Change it at its source, then `transferline run --update`"
        )
    return changes
