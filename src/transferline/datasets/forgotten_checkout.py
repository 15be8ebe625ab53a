"""Finds out that `dvc checkout` was forgotten after `git pull`: the workspace holds another version of a dataset."""

import re
from pathlib import Path

from transferline.datasets.dvc_lock_file import trained_revision
from transferline.datasets.revisions import dvc_file
from transferline.datasets.versions import Cache, listed_files, open_cache, workspace_files
from transferline.errors import TransferlineError
from transferline.git_and_dvc import git_or_nothing
from transferline.pipeline import open_repo

NEWEST = 20  # versions whose files are compared with those of the workspace
VERSION = re.compile(r"\+[- ]*md5: ([0-9a-f]{32}\.dir)$")


def forgotten_checkout(root: Path, dataset: str) -> str:
    """Returns an error message if the workspace holds another version of a dataset than its `.dvc` file names.

    That is the state after `git pull` without `dvc checkout`. The other version is one of a commit, perhaps with new
    files beside it, or that of the last training. If no commit names the version of the `.dvc` file, `dvc add` made
    it here, and the person who took the new photographs out again has changed the files by hand.

    Returns:
        The message; "" if the workspace holds the version of the `.dvc` file or one that is new.
    """
    file = dvc_file(dataset)
    with open_repo(root) as repo:
        out = repo.stage.load_one(file.as_posix()).outs[0]
        present, named = (str(out.get_hash().value) if out.exists else "", str(out.hash_info.value))
    commits = {} if present in ("", named) else _commits_by_version(root, file)
    if named not in commits:
        return ""
    if present in commits:
        there = f"commit {commits[present]}"
    elif present == trained_revision(root, dataset):
        there = "the last training"
    elif commit := _commit_inside(root, dataset, named, commits):
        there = f"commit {commit}, and new files"
    else:
        return ""
    return (
        f"{file.with_suffix('')} holds the version of {there}, but {file} names another. `dvc checkout {file}` brings "
        f"that one (`dvc pull {file}` if DVC's cache lacks it; it refuses to delete files that have no version); "
        f"`dvc add {file.with_suffix('')}` keeps the present files"
    )


def refuse_forgotten_checkout(root: Path, dataset: str) -> None:
    """Raises a TransferlineError with the message of `forgotten_checkout`, if there is one."""
    if message := forgotten_checkout(root, dataset):
        raise TransferlineError(message)


def _commits_by_version(root: Path, file: Path) -> dict[str, str]:
    """Returns the versions that branches and tags name in the `.dvc` file, newest first, each with its first commit."""
    what = ("-p", "-U0", "--root", "--full-history", "-m", "--no-color", "--no-ext-diff", "--format=commit %h")
    refs = ("HEAD", "--branches", "--remotes", "--tags")
    commits, commit = dict[str, str](), ""
    for line in git_or_nothing(root, "log", *what, *refs, "--", file.as_posix()).decode(errors="replace").splitlines():
        if line.startswith("commit "):
            commit = line.split()[1]
        elif version := VERSION.match(line):
            commits[version[1]] = commit
    return commits


def _commit_inside(root: Path, dataset: str, named: str, commits: dict[str, str]) -> str:
    """Returns the commit of a version whose files are all in the workspace, without one that the named version adds."""
    cache, present = open_cache(root), set(workspace_files(root, dataset).items())
    new = _files(cache, named)
    for version in [version for version in commits if version != named and cache.find(version)][:NEWEST]:
        old = _files(cache, version)
        if old <= present and not (new - old) & present:
            return commits[version]
    return ""


def _files(cache: Cache, version: str) -> set[tuple[str, str]]:
    """Returns path and hash of each file; none if the cache lacks the list, because nobody has fetched the version."""
    return set(listed_files(cache, version, version).items()) if cache.find(version) else set()
