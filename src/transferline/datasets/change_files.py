"""Adds and removes files of a dataset and versions the result; after an error or a kill nothing has changed."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from transferline.atomic_files import write_json, write_text
from transferline.datasets.dvc_add import add_version
from transferline.datasets.revisions import UnreadableVersionError, dvc_file
from transferline.datasets.versions import status_of
from transferline.errors import TransferlineError
from transferline.paths import RAW
from transferline.progress import say
from transferline.text import reason_of
from transferline.training_lock import LockHeldError, held

JOURNAL = Path(".transferline/moves.json")  # the moves of the change that is under way, and the .dvc file before it


@contextmanager
def held_for_change(root: Path, command: str) -> Iterator[None]:
    """Holds the project's lock during the block (see `held`). First it repairs what a killed change left behind."""
    with held(root, command):
        for repair in repair_changes(root):
            say(repair)
        yield


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
    folder, aside = root / RAW / name, aside_of(root, name)
    moves = [(folder / path, aside / path) for path in take] + [(file, folder / path) for path, file in put.items()]
    try:
        with moved(root, name, moves):
            add_version(root, name)
    except OSError as error:
        raise TransferlineError(f"{RAW / name} cannot be changed and is as before: {reason_of(error)}") from error


def aside_of(root: Path, name: str) -> Path:
    """Returns the folder for the files that a change removes; it is deleted when the change is complete."""
    return root / RAW / f".{name}.before"


@contextmanager
def moved(root: Path, name: str, moves: Sequence[tuple[Path, Path]]) -> Iterator[None]:
    """Moves files or folders of a dataset. If that or the block fails, it moves all back.

    The block writes or deletes the `.dvc` file last. After a kill `repair_changes` moves all back, unless the change
    was complete.

    Args:
        root: the project's folder.
        name: the name of the dataset.
        moves: source and target of each move. What is removed goes below `aside_of`.
    """
    shutil.rmtree(aside_of(root, name), ignore_errors=True)
    paths = [[path.relative_to(root).as_posix() for path in move] for move in moves]
    write_json(root / JOURNAL, {"name": name, "version": _version(root, name), "moves": paths})
    try:
        for source, target in moves:
            _move(source, target)
        _remove_empty({source.parent for source, _ in moves}, root / RAW / name)
        yield
    except BaseException:
        _move_back(root, name, moves)
        raise
    _finish(root, name)


def repair_changes(root: Path) -> list[str]:
    """Undoes the change of a dataset that was killed. If it was complete, it only deletes what is left of it.

    Returns:
        A sentence for each repair; none if another process holds the project's lock, because its change is under way.
    """
    try:
        with held(root, "the repair of a dataset"):
            return [*_repair_change(root), *_delete_leftovers(root)]
    except LockHeldError:
        return []


def _repair_change(root: Path) -> list[str]:
    if not (root / JOURNAL).exists():
        return []
    change = json.loads((root / JOURNAL).read_text(encoding="utf-8"))
    name, moves = change["name"], [(root / source, root / target) for source, target in change["moves"]]
    try:
        is_complete = _is_complete(root, name, change["version"], moves)
    except UnreadableVersionError:  # the kill cut off the `.dvc` file
        is_complete = False
        write_text(root / dvc_file(name), change["version"])
    if is_complete:
        _finish(root, name)
        return [f"{RAW / name}: a change was killed after it was complete; deleted the files that it had left"]
    _move_back(root, name, moves)
    return [f"{RAW / name}: undid a change that was killed; start it again"]


def _is_complete(root: Path, name: str, version: str | None, moves: Sequence[tuple[Path, Path]]) -> bool:
    """Returns whether all moves were made, and the `.dvc` file has changed and names the present files or is gone.

    That the `.dvc` file has changed is not enough: `git pull` or `dvc add` can have changed it after the kill.
    """
    present = _version(root, name)
    if present == version or not all(os.path.lexists(target) for _, target in moves):
        return False
    return present is None or not status_of(root, name)


def _delete_leftovers(root: Path) -> list[str]:
    left = sorted(folder for pattern in (".*.before", ".*.incoming*") for folder in (root / RAW).glob(pattern))
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)  # a folder without write permission stays
    gone = [folder.relative_to(root) for folder in left if not folder.exists()]
    return [f"deleted {folder}, which a killed `data add` or `data remove` left" for folder in gone]


def _version(root: Path, name: str) -> str | None:
    file = root / dvc_file(name)
    return file.read_text(encoding="utf-8") if file.exists() else None


def _move(source: Path, target: Path) -> None:
    if os.path.lexists(target):  # a file that `.dvcignore` hides from DVC
        raise FileExistsError(f"{target} is there, but is not in the dataset's version; move it away")
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)


def _move_back(root: Path, name: str, moves: Sequence[tuple[Path, Path]]) -> None:
    for source, target in reversed(moves):
        if os.path.lexists(target) and not os.path.lexists(source):
            _move(target, source)
    _remove_empty({target.parent for _, target in moves}, root / RAW / name)
    _finish(root, name)


def _finish(root: Path, name: str) -> None:
    (root / JOURNAL).unlink()  # first: without it, a kill while the files are deleted cannot undo half of the change
    shutil.rmtree(aside_of(root, name), ignore_errors=True)


def _remove_empty(folders: Iterable[Path], top: Path) -> None:
    """Deletes empty folders below `top`, and their parents if those become empty."""
    for folder in folders:
        while folder.is_relative_to(top) and folder != top and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent
