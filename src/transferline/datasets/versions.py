"""Versions of a dataset: the path of each file and the hash of its content."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc_data.hashfile.build import build
from dvc_data.hashfile.hash_info import HashInfo

from transferline.datasets.revisions import dataset_stage, dvc_file, recorded_hash
from transferline.errors import TransferlineError
from transferline.git_and_dvc import git
from transferline.paths import RAW
from transferline.pipeline import open_repo
from transferline.text import reason_of

Files = Mapping[str, str]  # path of each file, relative to the dataset and with slashes: MD5 of its content


@dataclass(frozen=True)
class Cache:
    """DVC's cache of a project, and its default remote.

    Attributes:
        root: the project's folder.
        folders: the cache folders of DVC 3 and of DVC 2, in which the names of files are hashes.
    """

    root: Path
    folders: tuple[Path, ...]

    def find(self, md5: str) -> Path | None:
        """Returns the file with this content; None if the cache lacks it."""
        files = (folder / md5[:2] / md5[2:] for folder in self.folders)
        return next((file for file in files if file.is_file()), None)

    def missing(self, hashes: Iterable[str]) -> set[str]:
        """Returns those of `hashes` that the cache lacks."""
        return {md5 for md5 in hashes if self.find(md5) is None}

    def fetch(self, hashes: Iterable[str]) -> str:
        """Fetches the missing files of `hashes` from the remote; returns why that failed, or "" for success.

        After a failure some of them may be in the cache: check with `find`.
        """
        if not (missing := self.missing(hashes)):
            return ""
        try:
            with open_repo(self.root) as repo:
                repo.cloud.pull([HashInfo("md5", md5) for md5 in missing])
        except (TransferlineError, OSError) as error:
            return str(error)
        return "the remote does not have it" if self.missing(missing) else ""

    def missing_in_remote(self, hashes: Iterable[str]) -> set[str]:
        """Returns those of `hashes` that the remote lacks; all of them if there is no remote or it does not answer."""
        try:
            with open_repo(self.root) as repo:
                status = repo.cloud.status([HashInfo("md5", md5) for md5 in hashes])
        except (TransferlineError, OSError):
            return set(hashes)
        return {str(found.value) for found in (*status.missing, *status.new)}


def open_cache(root: Path) -> Cache:
    """Returns the cache of the project in `root`.

    Raises:
        TransferlineError: DVC cannot read the project.
    """
    with open_repo(root) as repo:
        return Cache(root, (Path(repo.cache.local.path), Path(repo.cache.legacy.path)))


def recorded_files(cache: Cache, name: str, revision: str | None = None) -> Files:
    """Returns the files of the version in a `.dvc` file, of the workspace or of a Git revision.

    Raises:
        TransferlineError: there is no such revision, it has no such `.dvc` file, or neither DVC's cache nor the remote
            holds the list of its files.
    """
    where = f"{dvc_file(name)}{f' of {revision}' if revision else ''}"
    return listed_files(cache, _recorded_folder(cache.root, name, revision), where)


def listed_files(cache: Cache, oid: str, where: str) -> Files:
    """Returns the files of the version whose list has the hash `oid`. `where` is the file that names it, for messages.

    Raises:
        TransferlineError: neither DVC's cache nor the remote holds that list.
    """
    why = cache.fetch([oid])
    if (listing := cache.find(oid)) is None:
        raise TransferlineError(
            f"{where} names the version {oid[:8]}, which DVC's cache does not hold and which cannot be fetched: {why}. "
            "Run `dvc push` on the machine that has it"
        )
    return {entry["relpath"]: entry["md5"] for entry in json.loads(listing.read_text(encoding="utf-8"))}


def _recorded_folder(root: Path, name: str, revision: str | None) -> str:
    file = dvc_file(name)
    if revision is not None:
        require_revision(root, revision)
    oid = recorded_hash(root, name, revision)
    if oid is None:
        raise TransferlineError(f"the revision {revision} has no {file}; `git log -- {file}` lists those that have one")
    if not oid.endswith(".dir"):
        raise TransferlineError(f"{file} describes a single file; a dataset must be a folder under `dvc add`")
    return oid


def require_revision(root: Path, revision: str) -> None:
    """Raises a TransferlineError if Git has no such revision."""
    try:
        git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except TransferlineError as error:
        raise TransferlineError(
            f"{revision} is not a revision of this repository; `git log --oneline` lists the commits"
        ) from error


def workspace_files(root: Path, name: str) -> Files:
    """Returns the files in the workspace as `dvc add` would record them.

    Files that look unchanged since DVC's last hash are not read again. `dvc data status` cannot be used: it reports
    nothing about a dataset whose folder is in a `.gitignore`.

    Raises:
        TransferlineError: DVC cannot read the project, or a file cannot be read.
    """
    with _readable(name), open_repo(root) as repo:
        folder = repo.fs.abspath((root / RAW / name).as_posix())
        tree: Any = build(repo.cache.repo, folder, repo.fs, "md5", ignore=repo.dvcignore, dry_run=True)[2]
    return {"/".join(key): str(found.value) for key, _, found in tree}


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # a broken link, or no permission
        raise TransferlineError(f"{RAW / name}: a file in it cannot be read: {reason_of(error)}") from error


def status_of(root: Path, name: str) -> str:
    """Returns DVC's status of the dataset's folder: "" if unchanged, "modified" or "deleted"."""
    with _readable(name), open_repo(root) as repo:
        stage = dataset_stage(repo, name)
        return str(next(iter(stage.outs[0].workspace_status().values()), ""))


def is_import(root: Path, name: str) -> bool:
    """Returns whether the dataset was added with `dvc import` or `dvc import-url`."""
    with open_repo(root) as repo:
        return bool(dataset_stage(repo, name).is_import)
