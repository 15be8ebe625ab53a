"""Which datasets a person may change here: those under `dvc add`."""

from pathlib import Path

from transferline.datasets.public_datasets import CATALOGUE, SOURCES
from transferline.datasets.revisions import dvc_file
from transferline.datasets.sources import load_sources
from transferline.errors import TransferlineError
from transferline.paths import RAW


def require_versioned(root: Path, name: str) -> None:
    """Whether a `.dvc` file stands for the dataset.

    Raises:
        TransferlineError: it is a public set, not under DVC, or not there; the message says what is there.
    """
    if (root / dvc_file(name)).exists():
        return
    files = [file for file in (root / SOURCES, CATALOGUE) if file.exists()]
    if any(name in load_sources(file) for file in files):
        raise TransferlineError(
            f"{name} is a public set, fixed by its entry in {SOURCES}, and has no versions of its own; to "
            f"change it, add a copy under another name: `transferline data add {RAW / name} --name my_{name}`"
        )
    if (root / RAW / name).exists():
        raise TransferlineError(f"{RAW / name} is not under DVC yet; `dvc add {RAW / name}` makes it a version")
    there = sorted(file.stem for file in (root / RAW).glob("[!.]*.dvc"))
    raise TransferlineError(f"{name}: there is no {dvc_file(name)}; there are: {', '.join(there) or 'none'}")


def require_own(root: Path, name: str) -> None:
    """Whether the dataset was brought by `transferline data add` or `dvc add`, so that it may be changed here.

    Raises:
        TransferlineError: see `require_versioned`; or it is an import.
    """
    from transferline.datasets.versions import is_import

    require_versioned(root, name)
    if is_import(root, name):
        raise TransferlineError(
            f"{name} is an import and follows its source: change it there, then `transferline run --update` brings it"
        )
