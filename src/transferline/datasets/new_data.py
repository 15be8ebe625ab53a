"""Whether there is raw data that was not trained on: in the workspace, at the source of an import, or in the Git
remote."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException

from transferline.datasets.dvc_lock_file import trained_revision
from transferline.datasets.revisions import dvc_file, recorded_hash
from transferline.errors import TransferlineError
from transferline.git_and_dvc import git
from transferline.pipeline import open_repo

DIFFERENCES = ("added", "modified", "deleted", "renamed")


@dataclass(frozen=True)
class NewData:
    """New raw data.

    Attributes:
        reason: for people, why there is something to train on.
        key: the same for the same content: the hash of the data, or the ETag, hash or commit of an import's source.
        update: it is at the source of an import, and `dvc update` brings it.
        revision: the Git commit whose `.dvc` file names it; None if it is in the workspace or at a source.
    """

    reason: str
    key: str
    update: bool = False
    revision: str | None = None


def find_new_data(root: Path, dataset: str) -> Iterator[NewData]:
    """The raw data that differs from what was last trained on, without bringing any of it.

    Asked are, in this order, the files (those that look untouched are not read again), the source of an import (by
    its ETag, hash or commit, as `dvc update` does), and the upstream branch in the Git remote (after `git fetch`); each
    only when the next change is asked for. Trained on is what `dvc.lock` says; where it says nothing, the data that
    the `.dvc` file names counts.

    Raises:
        TransferlineError: the data is missing, or the source or the remote does not answer.
    """
    if not (root / dvc_file(dataset)).exists():
        return  # a public set, fixed by its hash in data/sources.yaml
    trained = trained_on(root, dataset)
    yield from _in_workspace(root, dataset, trained)
    yield from _at_source(root, dataset)
    yield from _in_git_remote(root, dataset, trained)


def trained_on(root: Path, dataset: str) -> str:
    """The hash of the data that was last trained on; before the first training that of the `.dvc` file."""
    return trained_revision(root, dataset) or recorded_hash(root, dataset) or ""


def _in_workspace(root: Path, dataset: str, trained: str) -> Iterator[NewData]:
    path = dvc_file(dataset).with_suffix("").as_posix()
    with open_repo(root) as repo:
        stage = repo.stage.load_one(dvc_file(dataset).as_posix())
        out = stage.outs[0]
        if not out.exists:
            raise TransferlineError(f"{path} is missing; `dvc pull {path}.dvc` brings it back")
        present = str(out.get_hash().value)
        if present == trained:
            return
        if present != str(out.hash_info.value):
            change = NewData(f"{path}: {_counts(repo, path) or 'modified'}", present)
        else:
            # an update brought it: it is the same change as that of the source
            key = _recorded_state(stage.deps[0]) if stage.is_import else present
            change = NewData(f"{path}: revision {present[:8]} is not the one trained on, {trained[:8]}", key)
    yield change


def _counts(repo: Any, path: str) -> str:
    """How many files were added, modified and so on since the last `.dvc` file."""
    found = repo.data_status([path], granular=True)["uncommitted"]
    counts = {word: sum(not str(file).endswith("/") for file in found.get(word, [])) for word in DIFFERENCES}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _at_source(root: Path, dataset: str) -> Iterator[NewData]:
    change = None
    with open_repo(root) as repo:
        stage = repo.stage.load_one(dvc_file(dataset).as_posix())
        if stage.is_import and _is_newer(source := stage.deps[0]):
            path = dvc_file(dataset).with_suffix("").as_posix()
            change = NewData(f"{path}: its source {source} has changed", _present_state(source), update=True)
    if change:
        yield change


def _is_newer(source: Any) -> bool:
    try:
        status = source.status()
    except (DvcException, OSError) as error:
        raise TransferlineError(f"the source {source} of an import does not answer: {error}") from error
    if "deleted" in status.values():  # DVC says so of a web server, too, that is not there
        raise TransferlineError(f"the source {source} of an import is gone or does not answer")
    return bool(status)


def _recorded_state(source: Any) -> str:
    """The commit of an import's repository, or the ETag or hash of its source, as its `.dvc` file has it."""
    if hasattr(source, "def_repo"):
        return f"source {source.def_repo.get('rev_lock')}"
    return f"source {source.hash_info.value}"


def _present_state(source: Any) -> str:
    """The same as it is now."""
    source.update()  # in memory only
    return _recorded_state(source) if hasattr(source, "def_repo") else f"source {source.get_hash().value}"


def _in_git_remote(root: Path, dataset: str, trained: str) -> Iterator[NewData]:
    """Commits of the upstream branch that this branch does not have, if they name other data than the workspace's and
    than was trained on."""
    branch = git(
        root,
        "for-each-ref",
        "--format=%(upstream:short)",
        git(root, "rev-parse", "--symbolic-full-name", "HEAD").strip(),
    )
    upstream, file = branch.strip(), dvc_file(dataset)
    if not upstream:
        return
    git(root, "fetch", "--quiet")
    if not git(root, "log", "--format=%h", f"HEAD..{upstream}", "--", file.as_posix()):
        return
    commit = git(root, "rev-parse", upstream).strip()
    there = recorded_hash(root, dataset, commit)
    if there is None or there in (trained, recorded_hash(root, dataset)):
        return
    yield NewData(f"{file.with_suffix('')}: {upstream} has other data ({commit[:8]})", there, revision=commit)
