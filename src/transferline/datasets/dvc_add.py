"""Makes the present files of a dataset a version: `dvc add`, and the check that DVC recorded every file."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ruamel.yaml import YAML

from transferline.datasets.revisions import dvc_file
from transferline.errors import TransferlineError
from transferline.git_and_dvc import dvc
from transferline.paths import RAW
from transferline.text import first_of

SHOWN = 10  # paths in a message
REPOSITORIES = {".git": "Git", ".dvc": "DVC", ".hg": "Mercurial"}
IGNORE_FILE = ".dvcignore"


def files_below(folder: Path) -> list[str]:
    """The paths of all files in a folder, hidden ones too, from that folder on, in order."""
    found = [Path(here, name).relative_to(folder) for here, _, names in os.walk(folder) for name in names]
    return sorted(path.as_posix() for path in found)


def listed(paths: Iterable[str]) -> str:
    """The first of `paths`, and how many more there are."""
    return first_of(list(paths), SHOWN)


def refuse_repositories(paths: Iterable[str], where: object) -> None:
    """DVC leaves out what lies in a repository inside a dataset, and refuses a `.dvcignore` file there.

    Args:
        paths: the names of the files of a dataset, from its folder on.
        where: the folder or archive that holds them, for the message.

    Raises:
        TransferlineError: a part of a path names a repository's folder, or a file is a `.dvcignore`; all such are said.
    """
    faults = {name: [path for path in paths if name in PurePosixPath(path).parts] for name in REPOSITORIES}
    messages = [
        f"it holds a {REPOSITORIES[name]} repository ({listed(found)}), of which DVC would not version everything: "
        f"give the folder of the images alone, or remove {name} from it"
        for name, found in faults.items()
        if found
    ]
    if ignores := [path for path in paths if PurePosixPath(path).name == IGNORE_FILE]:
        messages.append(f"DVC allows no {IGNORE_FILE} in a dataset ({listed(ignores)}): remove it")
    if messages:
        raise TransferlineError("\n  ".join([f"{where} cannot be versioned as it is:", *messages]))


def refuse_left_out(root: Path, name: str) -> None:
    """Raises a TransferlineError that names the files of `data/raw/<name>` that DVC would not version."""
    from transferline.pipeline import open_repo

    folder = root / RAW / name
    paths = files_below(folder)
    refuse_repositories(paths, RAW / name)
    real = root.resolve() / RAW / name
    with open_repo(root) as repo:
        kept = {Path(file).relative_to(real).as_posix() for file in repo.dvcignore.find(repo.fs, str(real))}
    if left_out := [path for path in paths if path not in kept]:
        raise TransferlineError(
            f"{RAW / name}: DVC would not version {len(left_out):,} of its {len(paths):,} files, because a line of the "
            f"project's .dvcignore matches them: {listed(left_out)}. Remove the files, or that line"
        )


def add_version(root: Path, name: str) -> None:
    """Versions the files of `data/raw/<name>` as they are: `dvc add`.

    Raises:
        TransferlineError: `dvc add` fails, or did not record all files. The `.dvc` file is as before.
    """
    file = root / dvc_file(name)
    with as_before_on_failure(file, file.with_name(".gitignore")):
        dvc(root, "add", (RAW / name).as_posix())
        paths = files_below(root / RAW / name)
        recorded = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))["outs"][0].get("nfiles", 0)
        if recorded != len(paths):
            refuse_left_out(root, name)
            raise TransferlineError(f"{RAW / name}: DVC recorded {recorded:,} of {len(paths):,} files")


@contextmanager
def as_before_on_failure(*files: Path) -> Iterator[None]:
    """Writes small files back as they were if the block fails; those that were not there are deleted."""
    before = {file: file.read_bytes() if file.exists() else None for file in files}
    try:
        yield
    except BaseException:
        for file, content in before.items():
            if content is None:
                file.unlink(missing_ok=True)
            else:
                file.write_bytes(content)
        raise
