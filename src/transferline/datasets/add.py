"""Adds a user's own images to the project: `transferline data add`."""

import re
import shutil
from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError

from transferline.atomic_files import completed_folder
from transferline.datasets.dvc_add import add_version, files_below, refuse_repositories
from transferline.datasets.layout_proposal import FolderContents, inspect_folder
from transferline.datasets.layouts.listing import HIDDEN
from transferline.datasets.sources import Archive, Folder, fetch_dataset, load_sources
from transferline.errors import TransferlineError
from transferline.hashes import file_sha256
from transferline.params import NAME
from transferline.progress import say


def add(source: str, name: str, root: Path, sha256: str | None) -> FolderContents:
    """Copies images into `data/raw/<name>` below `root` and puts them under DVC (`data/raw/<name>.dvc`).

    All files are copied, also hidden files. A link to a file is copied as a file. If an archive contains only one
    folder, and folders inside it, the content of that folder is copied.

    Args:
        source: a folder, a zip or tar, or the URL of one.
        name: the dataset's name in `params.yaml`.
        root: the project's folder.
        sha256: the sha256 that the archive must have; required for a URL.

    Raises:
        TransferlineError: the name is not allowed or exists, the source cannot be read or is empty, or `dvc add` fails
            or does not record every file. The copy is then deleted.
    """
    target = root / "data" / "raw" / name
    _check_name(name, root, target)
    try:
        bring(source, target, root, sha256, apart_from=target)
        found = inspect_folder(target)
        _dvc_add(target, root)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return found


def bring(
    source: str, target: Path, root: Path, sha256: str | None, apart_from: Path, known: Collection[str] = ()
) -> None:
    """Copies or unpacks `source` (see `add`) into the new folder `target`.

    Args:
        source: a folder, a zip or tar, or the URL of one.
        target: the new folder.
        root: the project's folder.
        sha256: the sha256 that the archive must have; required for a URL.
        apart_from: the dataset's folder. Neither it nor the source may contain the other.
        known: names at the top level of the dataset. If the only folder of an archive has one of these names, the
            folder itself is copied, not just its content.

    Raises:
        TransferlineError: the source cannot be read, is empty, or contains a repository, from which DVC leaves files
            out.
    """
    typed = _source(source, sha256)
    if isinstance(typed, Folder):
        _refuse_nested(Path(typed.path), apart_from)
        refuse_repositories(files_below(Path(typed.path)), source)
    fetch_dataset(typed, target, root / "data" / "downloads")
    if isinstance(typed, Archive):
        refuse_repositories(files_below(target), source)
        _unwrap(target, known)


def _check_name(name: str, root: Path, target: Path) -> None:
    if not re.fullmatch(NAME, name) or len(name) > 64:
        raise TransferlineError(f"{name!r} cannot be a dataset's name; use up to 64 letters, digits, - and _")
    if target.exists():
        raise TransferlineError(f"{target} is there already; choose another name, or add to it with --into {name}")
    if target.with_name(f"{name}.dvc").exists():
        raise TransferlineError(f"{target}.dvc is there already; `dvc pull {target}.dvc` brings its images")
    sources = root / "data" / "sources.yaml"
    if sources.exists() and name in load_sources(sources):
        raise TransferlineError(f"{name} is a public dataset of {sources}; choose another name")


def _source(source: str, sha256: str | None) -> Archive | Folder:
    path = Path(source).expanduser().resolve()
    is_url = re.match("https?://", source)
    if not is_url and path.is_dir():
        if sha256:
            raise TransferlineError(f"{path} is a folder, but a sha256 is only for archives; leave it out")
        return Folder(kind="folder", path=str(path))
    if not is_url and not path.is_file():
        raise TransferlineError(f"{path}: no such folder or archive")
    try:
        if is_url:
            return Archive(kind="archive", url=source, sha256=sha256)
        return Archive(kind="archive", path=str(path), sha256=sha256 or file_sha256(path))
    except ValidationError as error:
        raise TransferlineError(f"sha256 must be 64 hexadecimal digits (0 to 9, a to f), got {sha256}") from error


def _refuse_nested(source: Path, target: Path) -> None:
    inside = target.resolve()
    if inside.is_relative_to(source) or source.is_relative_to(inside):
        raise TransferlineError(f"one of {source} and {target} contains the other; give a folder with only the images")


def _unwrap(target: Path, known: Collection[str]) -> None:
    """Replaces an archive's only folder by its content if it contains folders: then it is not a class. Repeats this."""
    tops = [path for path in target.iterdir() if not HIDDEN.search(path.name)]
    if (
        len(tops) == 1
        and tops[0].name not in known
        and tops[0].is_dir()
        and any(path.is_dir() for path in tops[0].iterdir())
    ):
        say(f"{tops[0].name} is the only folder of the archive: taking its content")
        with completed_folder(target) as folder:
            for path in tops[0].iterdir():
                path.rename(folder / path.name)
        _unwrap(target, known)


def _dvc_add(target: Path, root: Path) -> None:
    path = target.relative_to(root).as_posix()
    say(f"dvc add {path}, which writes {path}.dvc: commit that file")
    try:
        add_version(root, target.name)
    except TransferlineError as error:
        raise TransferlineError(f"dvc add {path} failed, the copy was removed: {error}") from error
