"""Adds a user's own images to the project: `transferline data add`."""

import re
import shutil
from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError

from transferline.atomic_files import completed_folder
from transferline.datasets.dvc_add import add_version, files_below, require_versionable
from transferline.datasets.file_names import has_image_suffix, is_hidden
from transferline.datasets.layout_proposal import FolderContents, describe_reasons, inspect_folder
from transferline.datasets.layouts.table_file import TABLE_SUFFIXES
from transferline.datasets.own_datasets import corrections_file
from transferline.datasets.sources import Archive, Folder, fetch_dataset, load_sources
from transferline.errors import TransferlineError
from transferline.hashes import file_sha256
from transferline.params import NAME
from transferline.progress import say
from transferline.text import printable, reason_of

LABEL_SUFFIXES = (*TABLE_SUFFIXES, ".json", ".xml", ".yaml", ".yml")


def add(source: str, name: str, root: Path, sha256: str | None) -> FolderContents:
    """Copies images into `data/raw/<name>` below `root` and puts them under DVC (`data/raw/<name>.dvc`).

    All files are copied, also hidden files. A link to a file is copied as a file. If the images lie in the only folder
    of the source, and that is not the folder of a class, only its content is copied.

    Args:
        source: a folder, a zip or tar, or the URL of one.
        name: the dataset's name in `params.yaml`.
        root: the project's folder.
        sha256: the sha256 that the archive must have; required for a URL.

    Raises:
        TransferlineError: the name is not allowed or exists, the source cannot be read, has no images, or does not fit
            any layout, or `dvc add` fails or does not record every file. The copy is then deleted.
    """
    target = root / "data" / "raw" / name
    _check_name(name, root, target)
    typed = open_source(source, sha256, apart_from=target)
    if isinstance(typed, Folder):
        _require_fit(source, inspect_folder(Path(typed.path)))
    try:
        bring(typed, source, target, root)
        found = inspect_folder(target)
        _require_fit(source, found)
        _dvc_add(target, root)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return found


def _require_fit(source: str, found: FolderContents) -> None:
    if found.fault:
        reasons = describe_reasons(found) if found.images else []
        raise TransferlineError("\n".join([f"{source}: nothing was added: {found.fault}", *reasons]))


def open_source(source: str, sha256: str | None, apart_from: Path, known: Collection[str] = ()) -> Archive | Folder:
    """Checks a source (see `add`), and enters its only folder if that is a folder with the dataset.

    Args:
        source: a folder, a zip or tar, or the URL of one.
        sha256: the sha256 that the archive must have; required for a URL.
        apart_from: the dataset's folder. Neither it nor the source may contain the other.
        known: names at the top level of the dataset. A folder with one of these names is not entered.

    Raises:
        TransferlineError: the source does not exist, or contains files that DVC does not version.
    """
    typed = _source(source, sha256)
    if isinstance(typed, Archive):
        return typed
    _refuse_nested(Path(typed.path), apart_from)
    folder = _dataset_in(Path(typed.path), known)
    require_versionable(files_below(folder), source)
    return Folder(kind="folder", path=str(folder))


def bring(typed: Archive | Folder, source: str, target: Path, root: Path, known: Collection[str] = ()) -> None:
    """Copies or unpacks a source into the new folder `target`.

    Args:
        typed: the source as `open_source` returns it.
        source: its name in messages.
        target: the new folder.
        root: the project's folder.
        known: see `open_source`.

    Raises:
        TransferlineError: the source cannot be read, is empty, or contains files that DVC does not version.
    """
    fetch_dataset(typed, target, root / "data" / "downloads")
    if isinstance(typed, Archive):
        folder = _dataset_in(target, known)
        require_versionable(files_below(folder), source)
        if folder != target:
            with completed_folder(target) as completed:
                for path in folder.iterdir():
                    path.rename(completed / path.name)


def _check_name(name: str, root: Path, target: Path) -> None:
    if not re.fullmatch(NAME, name) or len(name) > 64:
        raise TransferlineError(f"{name!r} cannot be a dataset's name; use up to 64 letters, digits, - and _")
    if target.exists():
        raise TransferlineError(f"{target} is there already; choose another name, or add to it with --into {name}")
    if target.with_name(f"{name}.dvc").exists():
        raise TransferlineError(f"{target}.dvc is there already; `dvc pull {target}.dvc` brings its images")
    if (root / corrections_file(name)).exists():
        raise TransferlineError(
            f"{corrections_file(name)} would change labels of these images: it is of another dataset with this name. "
            "Choose another name, or delete that file"
        )
    sources = root / "data" / "sources.yaml"
    if sources.exists() and name in load_sources(sources):
        raise TransferlineError(f"{name} is a public dataset of {sources}; choose another name")


def _source(source: str, sha256: str | None) -> Archive | Folder:
    path = Path(source).resolve()
    is_url = re.match("https?://", source)
    if "://" in source and not is_url:
        raise TransferlineError(
            f"{source}: only addresses with http or https can be added; to import a dataset from another place use "
            f"`dvc import-url {source} data/raw/NAME`"
        )
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


def _dataset_in(folder: Path, known: Collection[str]) -> Path:
    """Returns the folder with the dataset: a folder that has only one folder, and no labels beside it, is entered.

    A folder without folders and tables in it is the folder of a class, and is not entered. One with a table is not
    entered either if a layout fits only the folder above it: then the table's paths begin with its name.
    """
    visible = [path for path in folder.iterdir() if not is_hidden(path.name)]
    folders = [path for path in visible if path.is_dir()]
    beside = [path.name for path in visible if not path.is_dir()]
    if len(folders) != 1 or folders[0].name in known or any(map(_belongs_to_dataset, beside)):
        return folder
    inside = [path for path in folders[0].iterdir() if not is_hidden(path.name)]
    if not any(path.is_dir() or path.suffix.lower() in TABLE_SUFFIXES for path in inside):
        return folder
    has_table = any(path.suffix.lower() in TABLE_SUFFIXES for path in inside)
    if has_table and not inspect_folder(folders[0]).layout and inspect_folder(folder).layout:
        return folder
    say(f"{printable(folders[0].name)} is the only folder: taking its content")
    return _dataset_in(folders[0], known)


def _belongs_to_dataset(name: str) -> bool:
    return has_image_suffix(name) or name.lower().endswith(LABEL_SUFFIXES)


def _dvc_add(target: Path, root: Path) -> None:
    path = target.relative_to(root).as_posix()
    say(f"dvc add {path}, which writes {path}.dvc: commit that file")
    try:
        add_version(root, target.name)
    except TransferlineError as error:
        raise TransferlineError(f"dvc add {path} failed, the copy was removed: {reason_of(error)}") from error
