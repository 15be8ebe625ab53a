"""The sources of datasets (`data/sources.yaml`), and fetching a dataset into `data/raw`."""

import difflib
import json
import os
import shutil
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from transferline.atomic_files import completed_folder
from transferline.datasets.archives import unpack
from transferline.datasets.digits import write_digits
from transferline.datasets.downloads import download_file
from transferline.errors import TransferlineError
from transferline.hashes import file_sha256
from transferline.params import Name, Section
from transferline.progress import progress
from transferline.text import reason_of
from transferline.yaml_text import parse_settings


class Digits(Section):
    """Scikit-learn's handwritten digits, which need no network."""

    kind: Literal["digits"]


class Packed(Section):
    """A zip or tar, by `url` or by `path` (relative to the project's folder). `subfolder` selects one folder of it.

    `sha256: null` means that it is not known yet: fetching then stops with an error that shows the file's sha256.
    """

    url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    path: str | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    subfolder: str | None = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.url is None) == (self.path is None):
            raise ValueError("give either url or path")
        return self


class Archive(Packed):
    """One zip or tar."""

    kind: Literal["archive"]


class Archives(Section):
    """Several zips or tars that are unpacked into one folder. No file may be in two of them."""

    kind: Literal["archives"]
    archives: Annotated[tuple[Packed, ...], Field(min_length=2)]


class Folder(Section):
    """A folder on this machine, by `path` (relative to the project's folder)."""

    kind: Literal["folder"]
    path: str


Source = Annotated[Digits | Archive | Archives | Folder, Field(discriminator="kind")]


class Sources(Section):
    """The content of `data/sources.yaml`."""

    sources: dict[Name, Source]


def load_sources(path: Path) -> dict[str, Source]:
    """Reads `data/sources.yaml`: the source of each dataset, by name.

    Raises:
        TransferlineError: the file cannot be read, or keys or values are wrong. The message names all of them.
    """
    try:
        tree = parse_settings(path.read_text(encoding="utf-8"), path)
        return Sources.model_validate_json(json.dumps(tree, default=str)).sources
    except (OSError, UnicodeDecodeError) as error:
        raise TransferlineError(f"{path} cannot be read as YAML: {reason_of(error)}") from error
    except ValidationError as error:
        faults = [_explain(fault) for fault in error.errors()]
        raise TransferlineError("\n  ".join([f"{path}: {len(faults)} fault(s)", *faults])) from error


def _explain(fault: ErrorDetails) -> str:
    location = ".".join(map(str, fault["loc"])) or "(top level)"
    if fault["type"] != "extra_forbidden":
        return f"{location}: {fault['msg'].removeprefix('Value error, ')}"
    sections = {section.__name__.lower(): section for section in (Digits, Archive, Archives, Folder)}
    match fault["loc"][-2:]:
        case (int(), _):
            section: type[Section] = Packed
        case (above, _):
            section = sections.get(str(above), Sources)
        case _:
            section = Sources
    return f"{location}: unknown key; allowed are {', '.join(section.model_fields)}"


def source_of(name: str, path: Path) -> Source:
    """Returns the source of one dataset.

    Raises:
        TransferlineError: the file `path` is faulty or has no such dataset.
    """
    sources = load_sources(path)
    if name not in sources:
        near = difflib.get_close_matches(name, sources, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise TransferlineError(f"{path}: no dataset {name}; {hint}there are {', '.join(sorted(sources))}")
    return sources[name]


def fetch_dataset(source: Source, target: Path, downloads: Path) -> None:
    """Fetches a dataset into `target`. The complete folder replaces an existing one.

    Args:
        source: the source of the dataset.
        target: the dataset's folder.
        downloads: the folder for downloads and interrupted downloads.

    Raises:
        TransferlineError: the dataset cannot be fetched; `target` is then unchanged.
    """
    packed = source.archives if isinstance(source, Archives) else (source,) if isinstance(source, Archive) else ()
    files = [_checked(one, downloads) for one in packed]
    try:
        with completed_folder(target) as folder:
            for one, file in zip(packed, files, strict=True):
                unpack(file, folder, one.subfolder)
            if isinstance(source, Folder):
                copy_folder(Path(source.path), folder)
            elif isinstance(source, Digits):
                write_digits(folder)
    except OSError as error:
        raise TransferlineError(f"{target} cannot be completed: {reason_of(error)}") from error


def _checked(source: Packed, downloads: Path) -> Path:
    """Returns the archive's file, downloaded if necessary, after a check of its sha256."""
    file = download_file(source.url, downloads) if source.url else Path(source.path or "")
    if not file.is_file():
        raise TransferlineError(f"{file}: no such file")
    sha256 = file_sha256(file)
    if source.sha256 is None:
        raise TransferlineError(
            f"{source.url or file}: give its sha256. The file {file} has {sha256}: compare it with the publisher's "
            "value, or inspect the file, before you write it down"
        )
    if sha256 != source.sha256:
        raise TransferlineError(
            f"{file} has the sha256 {sha256}, expected {source.sha256}. The file is damaged or not the right one"
            + (": delete it to download it again" if source.url else "")
        )
    return file


def copy_folder(source: Path, target: Path) -> None:
    """Copies a folder's files, also hidden ones, and its empty folders into the existing folder `target`.

    A link to a file is copied as a file. Permissions and times are not kept.

    Raises:
        TransferlineError: the folder is missing, has no files, or contains a link to a folder, a broken link or
            a device.
    """
    if not source.is_dir():
        raise TransferlineError(f"{source}: no such folder")
    files = []
    for folder, folders, names in os.walk(source, onerror=_refuse):
        here = Path(folder)
        (target / here.relative_to(source)).mkdir(exist_ok=True)
        links = [name for name in folders if (here / name).is_symlink()]
        files += [here / name for name in (*names, *links)]
    if not files:
        raise TransferlineError(f"{source}: the folder holds no files")
    for file in progress(sorted(files), len(files), f"copying {source}"):
        if not file.is_file():
            raise TransferlineError(f"{file} is a link to a folder, a broken link or a device; replace it by the files")
        shutil.copyfile(file, target / file.relative_to(source))


def _refuse(error: OSError) -> None:
    raise error
