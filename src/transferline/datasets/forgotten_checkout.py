"""Finds out that `dvc checkout` was forgotten after `git pull`: the workspace holds another version of a dataset."""

import re
from pathlib import Path

from transferline.datasets.dvc_lock_file import trained_revision
from transferline.datasets.file_names import is_hidden
from transferline.datasets.revisions import dataset_stage, dvc_file
from transferline.datasets.versions import Files, listed_files, open_cache, workspace_files
from transferline.errors import TransferlineError
from transferline.git_and_dvc import git_or_nothing
from transferline.pipeline import open_repo

NEWEST = 20  # versions whose files are compared with those of the workspace
VERSION = re.compile(r"\+[- ]*md5: ([0-9a-f]{32}\.dir)$")


def forgotten_checkout(root: Path, dataset: str) -> str:
    """Returns an error message if the workspace holds another version of a dataset than its `.dvc` file names.

    That is the state after `git pull` without `dvc checkout`. The other version is one of a commit, perhaps with new
    files beside it, or that of the last training. A person who deletes all that the last version added leaves the same
    state, so the message names both causes. If no commit names the version of the `.dvc` file, `dvc add` made it here,
    and the files were changed by hand.

    Returns:
        The message; "" if the workspace holds the version of the `.dvc` file or one that is new.
    """
    file = dvc_file(dataset)
    with open_repo(root) as repo:
        out = dataset_stage(repo, dataset).outs[0]
        present, named = (str(out.get_hash().value) if out.exists else "", str(out.hash_info.value))
    commits = {} if present in ("", named) else _commits_by_version(root, file)
    if named not in commits:
        return ""
    if present in commits:
        there = f"commit {commits[present]}"
    elif present == trained_revision(root, dataset):
        there = "the last training"
    elif commit := _commit_inside(root, dataset, named, commits):
        there = f"commit {commit} and new ones"
    else:
        return ""
    return (
        f"{file.with_suffix('')} holds the files of {there}, but {file} names another version. If `dvc checkout` was "
        f"forgotten after `git pull`: `dvc checkout {file}` (`dvc pull {file}` if DVC's cache lacks that version; it "
        "refuses to delete files that have no version). If the files were changed by hand: "
        f"`dvc add {file.with_suffix('')}` keeps them"
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
    """Returns the commit of a version whose files are all in the workspace, without any that the named version adds.

    A file that the named version adds may have been edited, renamed or moved: its path or its content is then there.
    """
    cache, present = open_cache(root), workspace_files(root, dataset)
    # If the cache lacks the list of the named version, nobody has fetched it: none of its own files is here.
    files = listed_files(cache, named, named) if cache.find(named) else {named: named}
    new = _paths_and_hashes({path: md5 for path, md5 in files.items() if not is_hidden(path)})
    for version in [version for version in commits if version != named and cache.find(version)][:NEWEST]:
        old = listed_files(cache, version, version)
        added = new - _paths_and_hashes(old)
        if old.items() <= present.items() and added and added.isdisjoint(_paths_and_hashes(present)):
            return commits[version]
    return ""


def _paths_and_hashes(files: Files) -> set[str]:
    return {*files, *files.values()}
