"""Finds raw data that was not trained on: in the workspace, at the source of an import, or in the Git remote."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException

from transferline.datasets.dvc_lock_file import trained_revision
from transferline.datasets.forgotten_checkout import refuse_forgotten_checkout
from transferline.datasets.revisions import dataset_stage, dvc_file, recorded_hash
from transferline.errors import TransferlineError
from transferline.git_and_dvc import git
from transferline.pipeline import open_repo
from transferline.text import reason_of

DIFFERENCES = ("added", "modified", "deleted", "renamed")


@dataclass(frozen=True)
class NewData:
    """New raw data.

    Attributes:
        reason: a message that says what has changed.
        key: identifies the content: the hash of the data, or the ETag, hash or commit of an import's source.
        update: whether the data is at the source of an import; `dvc update` gets it.
        revision: the Git commit whose `.dvc` file names the data; None if it is in the workspace or at a source.
    """

    reason: str
    key: str
    update: bool = False
    revision: str | None = None


def find_new_data(root: Path, dataset: str) -> Iterator[NewData]:
    """Yields the raw data that differs from the last training data. It downloads none of it.

    It checks three places in this order, each only when the caller asks for the next item:

    - the files of the workspace; files that look unchanged are not read again;
    - the source of an import, by its ETag, hash or commit, as `dvc update` does;
    - the upstream branch in the Git remote, after `git fetch`.

    The last training data is the version in `dvc.lock`, or else that of the `.dvc` file.

    Raises:
        TransferlineError: the data is missing, `dvc checkout` was forgotten after `git pull`, or the source or the
            remote does not answer.
    """
    if not (root / dvc_file(dataset)).exists():
        return  # a public dataset, whose hash is fixed in data/sources.yaml
    refuse_forgotten_checkout(root, dataset)
    trained = trained_on(root, dataset)
    yield from _in_workspace(root, dataset, trained)
    yield from _at_source(root, dataset)
    yield from _in_git_remote(root, dataset, trained)


def trained_on(root: Path, dataset: str) -> str:
    """Returns the hash of the last training data; before the first training, the hash in the `.dvc` file."""
    return trained_revision(root, dataset) or recorded_hash(root, dataset) or ""


def _in_workspace(root: Path, dataset: str, trained: str) -> Iterator[NewData]:
    path = dvc_file(dataset).with_suffix("").as_posix()
    with open_repo(root) as repo:
        stage = dataset_stage(repo, dataset)
        out = stage.outs[0]
        if not out.exists:
            raise TransferlineError(f"{path} is missing; `dvc pull {path}.dvc` restores it")
        present = str(out.get_hash().value)
        if present == trained:
            return
        if present != str(out.hash_info.value):
            change = NewData(f"{path}: {_counts(repo, path) or 'modified'}", present)
        else:
            # After `dvc update` this is the same change as that of the source, so it has the same key.
            key = _recorded_state(stage.deps[0]) if stage.is_import else present
            change = NewData(f"{path}: revision {present[:8]} is not the one trained on, {trained[:8]}", key)
    yield change


def _counts(repo: Any, path: str) -> str:
    """Returns how many files were added, modified and so on since the version in the `.dvc` file."""
    found = repo.data_status([path], granular=True)["uncommitted"]
    counts = {word: sum(not str(file).endswith("/") for file in found.get(word, [])) for word in DIFFERENCES}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _at_source(root: Path, dataset: str) -> Iterator[NewData]:
    change = None
    with open_repo(root) as repo:
        stage = dataset_stage(repo, dataset)
        if stage.is_import and _is_newer(source := stage.deps[0]):
            path = dvc_file(dataset).with_suffix("").as_posix()
            change = NewData(f"{path}: its source {source} has changed", _present_state(source), update=True)
    if change:
        yield change


def _is_newer(source: Any) -> bool:
    try:
        status = source.status()
    except (DvcException, OSError) as error:
        raise TransferlineError(f"the source {source} of an import does not answer: {reason_of(error)}") from error
    if "deleted" in status.values():  # DVC also reports this for a web server that does not answer
        raise TransferlineError(f"the source {source} of an import was deleted or does not answer")
    return bool(status)


def _recorded_state(source: Any) -> str:
    """Returns the commit of an import's repository, or the ETag or hash of its source, from its `.dvc` file."""
    if hasattr(source, "def_repo"):
        return f"source {source.def_repo.get('rev_lock')}"
    return f"source {source.hash_info.value}"


def _present_state(source: Any) -> str:
    """Returns the current commit, ETag or hash of an import's source."""
    source.update()  # in memory only
    return _recorded_state(source) if hasattr(source, "def_repo") else f"source {source.get_hash().value}"


def _in_git_remote(root: Path, dataset: str, trained: str) -> Iterator[NewData]:
    """Yields the upstream branch's data if new commits there name other data than the workspace and the training."""
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
