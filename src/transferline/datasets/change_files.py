"""Adds and removes files of a dataset and versions the result; after an error nothing has changed."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from transferline.datasets.dvc_add import add_version
from transferline.errors import TransferlineError
from transferline.paths import RAW
from transferline.text import reason_of


def change_files(root: Path, name: str, put: Mapping[str, Path], take: Iterable[str]) -> None:
    """Changes the files of `data/raw/<name>` and versions the result.

    Files are moved and never overwritten, because a file can be a link into DVC's cache.

    Args:
        root: the project's folder.
        name: the name of the dataset.
        put: for each new path, the file that is moved there. The path must not exist, or must be in `take`.
        take: the paths to remove.

    Raises:
        TransferlineError: a file cannot be moved, or `dvc add` fails. The dataset and its `.dvc` file are unchanged.
    """
    folder, aside = root / RAW / name, root / RAW / f".{name}.before"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with _moved(folder, aside, put, take):
            add_version(root, name)
    except OSError as error:
        raise TransferlineError(f"{RAW / name} cannot be changed and is as before: {reason_of(error)}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _moved(folder: Path, aside: Path, put: Mapping[str, Path], take: Iterable[str]) -> Iterator[None]:
    """Removes files and moves others in. If that or the block fails, it moves all files back."""
    moves = [(folder / path, aside / path) for path in take] + [(file, folder / path) for path, file in put.items()]
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
            done.append((source, target))
        _remove_empty({source.parent for source, _ in done}, folder)
        yield
    except BaseException:
        for source, target in reversed(done):
            source.parent.mkdir(parents=True, exist_ok=True)
            target.rename(source)
        _remove_empty({target.parent for _, target in done}, folder)
        raise


def _remove_empty(folders: Iterable[Path], top: Path) -> None:
    """Deletes empty folders below `top`, and their parents if those become empty."""
    for folder in folders:
        while folder.is_relative_to(top) and folder != top and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent
