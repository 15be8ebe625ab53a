"""Versions the current files of a dataset with `dvc add`, and checks that DVC recorded every file."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from transferline.datasets.revisions import dvc_file
from transferline.errors import TransferlineError
from transferline.git_and_dvc import dvc
from transferline.paths import RAW
from transferline.text import first_of, printable
from transferline.yaml_text import parse_yaml

SHOWN = 10  # paths in a message
REPOSITORIES = {".git": "Git", ".dvc": "DVC", ".hg": "Mercurial"}
IGNORE_FILE = ".dvcignore"


def files_below(folder: Path) -> list[str]:
    """Returns the paths of all files in a folder, also hidden ones, relative to the folder and sorted."""
    found = [Path(here, name).relative_to(folder) for here, _, names in os.walk(folder) for name in names]
    return sorted(path.as_posix() for path in found)


def listed(paths: Iterable[str]) -> str:
    """Returns the first `SHOWN` of `paths` and the number of the others, for a message."""
    return first_of([printable(path) for path in paths], SHOWN)


def require_versionable(paths: Iterable[str], where: object) -> None:
    """Checks that DVC versions all files of a dataset.

    DVC leaves out files of a repository inside a dataset, and accepts neither a `.dvcignore` there nor a name that is
    not UTF-8.

    Args:
        paths: the paths of the dataset's files, relative to its folder.
        where: the folder or archive with these files, for the message.

    Raises:
        TransferlineError: a folder of a path belongs to a repository, a file is a `.dvcignore`, or a name is not
            UTF-8. The message lists all of them.
    """
    faults = {name: [path for path in paths if name in PurePosixPath(path).parts] for name in REPOSITORIES}
    messages = [
        f"it holds a {REPOSITORIES[name]} repository ({listed(found)}), and DVC would not version all of its files: "
        f"give a folder with only the images, or remove {name} from it"
        for name, found in faults.items()
        if found
    ]
    if ignores := [path for path in paths if PurePosixPath(path).name == IGNORE_FILE]:
        messages.append(f"DVC allows no {IGNORE_FILE} in a dataset ({listed(ignores)}): remove it")
    if unnamed := [path for path in paths if printable(path) != path]:
        messages.append(f"it holds names that are not UTF-8 ({listed(unnamed)}): rename these files")
    if messages:
        raise TransferlineError("\n  ".join([f"{where} cannot be versioned as it is:", *messages]))


def refuse_left_out(root: Path, name: str) -> None:
    """Raises a TransferlineError that lists the files of `data/raw/<name>` that DVC would not version, if any."""
    from transferline.pipeline import open_repo

    folder = root / RAW / name
    paths = files_below(folder)
    require_versionable(paths, RAW / name)
    real = root.resolve() / RAW / name
    with open_repo(root) as repo:
        kept = {Path(file).relative_to(real).as_posix() for file in repo.dvcignore.find(repo.fs, str(real))}
    if left_out := [path for path in paths if path not in kept]:
        raise TransferlineError(
            f"{RAW / name}: DVC would not version {len(left_out):,} of its {len(paths):,} files, because a line of the "
            f"project's .dvcignore matches them: {listed(left_out)}. Remove the files, or that line"
        )


def add_version(root: Path, name: str) -> None:
    """Versions the current files of `data/raw/<name>` with `dvc add`.

    Raises:
        TransferlineError: `dvc add` fails, or does not record all files. The `.dvc` file is then unchanged.
    """
    file = root / dvc_file(name)
    with as_before_on_failure(file, file.with_name(".gitignore")):
        dvc(root, "add", (RAW / name).as_posix())
        paths = files_below(root / RAW / name)
        recorded = parse_yaml(file.read_text(encoding="utf-8"), file)["outs"][0].get("nfiles", 0)
        if recorded != len(paths):
            refuse_left_out(root, name)
            raise TransferlineError(f"{RAW / name}: DVC recorded {recorded:,} of {len(paths):,} files")


@contextmanager
def as_before_on_failure(*files: Path) -> Iterator[None]:
    """Restores small files if the block fails; files that did not exist before are deleted."""
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
