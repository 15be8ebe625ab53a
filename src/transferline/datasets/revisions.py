"""Gets another version of the raw data: that of a Git revision, or the current state of an import's source."""

from pathlib import Path

from transferline.datasets.dvc_lock_file import trained_revision
from transferline.errors import TransferlineError
from transferline.git_and_dvc import dvc, git, git_or_nothing
from transferline.paths import RAW
from transferline.pipeline import open_repo
from transferline.text import reason_of
from transferline.yaml_text import parse_yaml


def dvc_file(dataset: str) -> Path:
    """Returns the `.dvc` file of a dataset, relative to the project's folder."""
    return RAW / f"{dataset}.dvc"


def recorded_hash(root: Path, dataset: str, revision: str | None = None) -> str | None:
    """Returns the data's hash from the `.dvc` file of the workspace or a Git revision; None if that lacks the file."""
    file = dvc_file(dataset)
    if revision is None:
        text = (root / file).read_text(encoding="utf-8")
    elif git(root, "ls-tree", revision, "--", file.as_posix()):
        text = git(root, "show", f"{revision}:./{file.as_posix()}")
    else:
        return None
    out = parse_yaml(text, file)["outs"][0]
    return str(out.get("md5") or out.get("hash"))


def forgotten_checkout(root: Path, dataset: str) -> str:
    """Returns an error message if the workspace holds another version of a dataset than its `.dvc` file names.

    That is the state after `git pull` without `dvc checkout`. The other version is one of a commit or of the last
    training. If no commit names the version of the `.dvc` file, `dvc add` made it here, and the person who took the
    new photographs out again has changed the files by hand.

    Returns:
        The message; "" if the workspace holds the version of the `.dvc` file or one that is new.
    """
    file = dvc_file(dataset)
    with open_repo(root) as repo:
        out = repo.stage.load_one(file.as_posix()).outs[0]
        present, named = (str(out.get_hash().value) if out.exists else "", str(out.hash_info.value))
    if present in ("", named):
        return ""
    commit = _commit_with(root, file, present)
    if not (commit or present == trained_revision(root, dataset)) or not _commit_with(root, file, named):
        return ""
    return (
        f"{file.with_suffix('')} holds the version of {f'commit {commit}' if commit else 'the last training'}, but "
        f"{file} names another. `dvc checkout {file}` brings that one (`dvc pull {file}` if DVC's cache lacks it); "
        f"`dvc add {file.with_suffix('')}` keeps the present one"
    )


def refuse_forgotten_checkout(root: Path, dataset: str) -> None:
    """Raises a TransferlineError with the message of `forgotten_checkout`, if there is one."""
    if message := forgotten_checkout(root, dataset):
        raise TransferlineError(message)


def _commit_with(root: Path, file: Path, data_hash: str) -> str:
    """Returns the first commit of the branches and tags whose `.dvc` file names this data; "" if there is none."""
    options = ("--root", "--full-history", "-m", "--format=%h", f"-S{data_hash}")
    refs = ("HEAD", "--branches", "--remotes", "--tags")
    found = git_or_nothing(root, "log", *options, *refs, "--", file.as_posix()).decode().split()
    return found[-1] if found else ""


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
        edited = repo.stage.load_one(file).outs[0].status()
    blob = git(root, "hash-object", file).strip()
    if edited:
        refuse_forgotten_checkout(root, dataset)
    if edited or not git(root, "log", "--all", "-1", "--format=%h", f"--find-object={blob}"):
        raise TransferlineError(f"{file}: the workspace holds data that no commit names; `dvc add` and commit it first")


def _bring(root: Path, file: Path) -> None:
    try:
        dvc(root, "checkout", str(file))
    except TransferlineError:  # not all of it is in the cache
        dvc(root, "pull", str(file))
