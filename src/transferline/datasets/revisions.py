"""Gets another version of the raw data: that of a Git revision, or the current state of an import's source."""

from pathlib import Path
from typing import Any

from transferline.errors import TransferlineError
from transferline.git_and_dvc import dvc, git
from transferline.paths import RAW
from transferline.pipeline import open_repo
from transferline.text import reason_of
from transferline.yaml_text import parse_yaml


def dvc_file(dataset: str) -> Path:
    """Returns the `.dvc` file of a dataset, relative to the project's folder."""
    return RAW / f"{dataset}.dvc"


class UnreadableVersionError(TransferlineError):
    """A `.dvc` file does not name a version, for example because a kill or a full disk cut it off."""

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} names no version of the data; `git checkout {file}` restores the committed one")


def dataset_stage(repo: Any, dataset: str) -> Any:
    """Returns DVC's stage of a dataset's `.dvc` file, with one output.

    Raises:
        UnreadableVersionError: the file is damaged.
    """
    try:
        stage = repo.stage.load_one(dvc_file(dataset).as_posix())
    except KeyError as error:
        raise UnreadableVersionError(dvc_file(dataset)) from error
    if not stage.outs:
        raise UnreadableVersionError(dvc_file(dataset))
    return stage


def recorded_hash(root: Path, dataset: str, revision: str | None = None) -> str | None:
    """Returns the data's hash from the `.dvc` file of the workspace or a Git revision; None if that lacks the file.

    Raises:
        UnreadableVersionError: the file is damaged.
    """
    file = dvc_file(dataset)
    if revision is None:
        text = (root / file).read_text(encoding="utf-8")
    elif git(root, "ls-tree", revision, "--", file.as_posix()):
        text = git(root, "show", f"{revision}:./{file.as_posix()}")
    else:
        return None
    try:
        out = parse_yaml(text, file)["outs"][0]
    except (TypeError, KeyError, IndexError) as error:
        raise UnreadableVersionError(file) from error
    return str(out.get("md5") or out.get("hash"))


def take_revision(root: Path, dataset: str, revision: str) -> None:
    """Puts the raw data of a Git revision into the workspace; files that the cache lacks come from the DVC remote.

    Only the `.dvc` file and the data change, not the commit or branch. They remain changed after the run.

    Raises:
        TransferlineError: there is no such revision, it lacks the dataset, the workspace holds data that no commit
            names, or the data cannot be fetched. The workspace is then unchanged.
    """
    file = root / dvc_file(dataset)
    wanted = _at_revision(root, dataset, revision)
    before = file.read_text(encoding="utf-8")
    if wanted == before:
        return
    _require_saved(root, dataset)
    file.write_text(wanted, encoding="utf-8")
    try:
        _bring(root, file)
    except TransferlineError:
        file.write_text(before, encoding="utf-8")
        dvc(root, "checkout", "--force", str(file))
        raise


def update_import(root: Path, dataset: str) -> None:
    """Gets the current state of an import's source (`dvc update`).

    Raises:
        TransferlineError: the dataset is not an import, or the source does not answer.
    """
    dvc(root, "update", dvc_file(dataset).as_posix())


def _at_revision(root: Path, dataset: str, revision: str) -> str:
    file = dvc_file(dataset).as_posix()
    if not (root / file).exists():
        raise TransferlineError(f"data revision {revision}: {dataset} has no {file} (a public set has no revisions)")
    try:
        return git(root, "show", f"{revision}:./{file}")
    except TransferlineError as error:
        raise TransferlineError(
            f"data revision {revision}: not in this repository, or without {file}; {reason_of(error)}"
        ) from error


def _require_saved(root: Path, dataset: str) -> None:
    file = dvc_file(dataset).as_posix()
    with open_repo(root) as repo:
        edited = dataset_stage(repo, dataset).outs[0].status()
    blob = git(root, "hash-object", file).strip()
    if edited:
        from transferline.datasets.forgotten_checkout import refuse_forgotten_checkout  # it imports this module

        refuse_forgotten_checkout(root, dataset)
    if edited or not git(root, "log", "--all", "-1", "--format=%h", f"--find-object={blob}"):
        raise TransferlineError(f"{file}: the workspace holds data that no commit names; `dvc add` and commit it first")


def _bring(root: Path, file: Path) -> None:
    try:
        dvc(root, "checkout", str(file))
    except TransferlineError:  # not all of it is in the cache
        dvc(root, "pull", str(file))
