"""Puts files into a dataset and takes files out, as a new version or not at all."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from transferline.datasets.dvc_add import add_version
from transferline.errors import TransferlineError
from transferline.paths import RAW


def change_files(root: Path, name: str, put: Mapping[str, Path], take: Iterable[str]) -> None:
    """Changes the files of `data/raw/<name>` and versions the result.

    A file is moved and never written into, because it may be a link into DVC's cache.

    Args:
        root: the project's folder.
        name: of the dataset.
        put: the file that is moved to each path, which must be free or among `take`.
        take: paths that go.

    Raises:
        TransferlineError: a file cannot be moved, or `dvc add` fails; the dataset and its `.dvc` file are as before.
    """
    folder, aside = root / RAW / name, root / RAW / f".{name}.before"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with _moved(folder, aside, put, take):
            add_version(root, name)
    except OSError as error:
        raise TransferlineError(f"{RAW / name} cannot be changed, and is as before: {error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _moved(folder: Path, aside: Path, put: Mapping[str, Path], take: Iterable[str]) -> Iterator[None]:
    """Takes files away and puts others there, and moves all back if that or the block fails."""
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
    """Removes folders below `top` that hold nothing, and those around them that then hold nothing."""
    for folder in folders:
        while folder.is_relative_to(top) and folder != top and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent
