"""Whether there is new raw data: in the workspace, at the source of an import, or in the Git remote."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException

from transferline.datasets.revisions import dvc_file, recorded_hash
from transferline.errors import TransferlineError
from transferline.git_and_dvc import git
from transferline.pipeline import open_repo

DIFFERENCES = ("added", "modified", "deleted", "renamed")


@dataclass(frozen=True)
class Change:
    """New raw data.

    Attributes:
        reason: for people, why there is something to train on.
        update: it is at the source of an import, and `dvc update` brings it.
        revision: the Git commit whose `.dvc` file names it; None if it is in the workspace or at a source.
    """

    reason: str
    update: bool = False
    revision: str | None = None


def find_change(root: Path, dataset: str) -> Change | None:
    """The first change of a dataset's raw data, without bringing any of it; None if there is none.

    Asked are, in this order, the files (those that look untouched are not read again), the source of an import (by
    its ETag, hash or commit, as `dvc update` does), and the upstream branch in the Git remote (after `git fetch`).

    Raises:
        TransferlineError: the data is missing, or the source or the remote does not answer.
    """
    if not (root / dvc_file(dataset)).exists():
        return None  # a public set, fixed by its hash in data/sources.yaml
    return _in_workspace(root, dataset) or _in_git_remote(root, dataset)


def _in_workspace(root: Path, dataset: str) -> Change | None:
    path = dvc_file(dataset).with_suffix("").as_posix()
    with open_repo(root) as repo:
        stage = repo.stage.load_one(dvc_file(dataset).as_posix())
        status = stage.outs[0].status().get(path)
        if status == "deleted":
            raise TransferlineError(f"{path} is missing; `dvc pull {path}.dvc` brings it back")
        if status:
            return Change(f"{path}: {_counts(repo, path) or status}")
        if stage.is_import and _is_newer(stage.deps[0]):
            return Change(f"{path}: its source {stage.deps[0]} has changed", update=True)
    return None


def _counts(repo: Any, path: str) -> str:
    """How many files were added, modified and so on since the last `.dvc` file."""
    found = repo.data_status([path], granular=True)["uncommitted"]
    counts = {word: sum(not str(file).endswith("/") for file in found.get(word, [])) for word in DIFFERENCES}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _is_newer(source: Any) -> bool:
    try:
        status = source.status()
    except (DvcException, OSError) as error:
        raise TransferlineError(f"the source {source} of an import does not answer: {error}") from error
    if "deleted" in status.values():  # DVC says so of a web server, too, that is not there
        raise TransferlineError(f"the source {source} of an import is gone or does not answer")
    return bool(status)


def _in_git_remote(root: Path, dataset: str) -> Change | None:
    """Commits of the upstream branch that this branch does not have, if they name other data than the workspace."""
    branch = git(
        root,
        "for-each-ref",
        "--format=%(upstream:short)",
        git(root, "rev-parse", "--symbolic-full-name", "HEAD").strip(),
    )
    upstream, file = branch.strip(), dvc_file(dataset)
    if not upstream:
        return None
    git(root, "fetch", "--quiet")
    if not git(root, "log", "--format=%h", f"HEAD..{upstream}", "--", file.as_posix()):
        return None
    commit = git(root, "rev-parse", upstream).strip()
    if recorded_hash(root, dataset, commit) in (None, recorded_hash(root, dataset)):
        return None
    return Change(f"{file.with_suffix('')}: {upstream} has other data ({commit[:8]})", revision=commit)
