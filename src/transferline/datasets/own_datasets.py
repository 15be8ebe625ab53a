"""Checks whether a dataset can be changed in this project: only those under `dvc add` can."""

from pathlib import Path

from transferline.datasets.public_datasets import CATALOGUE, SOURCES
from transferline.datasets.revisions import dvc_file
from transferline.datasets.sources import load_sources
from transferline.errors import TransferlineError
from transferline.paths import CORRECTIONS, RAW


def corrections_file(name: str) -> Path:
    """Returns the file with the corrections of a dataset, relative to the project's folder."""
    return CORRECTIONS / f"{name}.csv"


def require_versioned(root: Path, name: str) -> None:
    """Checks that the dataset has a `.dvc` file.

    Raises:
        TransferlineError: it is a public dataset, is not under DVC, or does not exist.
    """
    if (root / dvc_file(name)).exists():
        return
    files = [file for file in (root / SOURCES, CATALOGUE) if file.exists()]
    if any(name in load_sources(file) for file in files):
        raise TransferlineError(
            f"{name} is a public set, fixed by its entry in {SOURCES}, and has no versions; to "
            f"change it, add a copy under another name: `transferline data add {RAW / name} --name my_{name}`"
        )
    if (root / RAW / name).exists():
        raise TransferlineError(f"{RAW / name} is not under DVC yet; `dvc add {RAW / name}` versions it")
    there = sorted(file.stem for file in (root / RAW).glob("[!.]*.dvc"))
    raise TransferlineError(f"{name}: there is no {dvc_file(name)}; there are: {', '.join(there) or 'none'}")


def require_own(root: Path, name: str) -> None:
    """Checks that the dataset was added with `transferline data add` or `dvc add`, so that it can be changed here.

    Raises:
        TransferlineError: see `require_versioned`; or the dataset is an import.
    """
    from transferline.datasets.versions import is_import

    require_versioned(root, name)
    if is_import(root, name):
        raise TransferlineError(
            f"{name} is an import: change it at its source, then get the change with `transferline run --update`"
        )
