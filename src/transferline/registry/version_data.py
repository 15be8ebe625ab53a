"""Brings the data that a registered version was trained on into a worktree."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from transferline.datasets.dvc_lock_file import CORRECTIONS, LOCK, dependency_hash, locked_stages
from transferline.errors import TransferlineError
from transferline.git_and_dvc import dvc
from transferline.paths import RAW
from transferline.pipeline import open_repo
from transferline.progress import say
from transferline.text import reason_of
from transferline.yaml_text import parse_yaml

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

FETCHED = Path("data/dvc.yaml")


def bring_data(project: Path, version: "ModelVersion") -> None:
    """Checks out the raw images that a version was trained on, from the DVC cache or from the remote.

    Args:
        project: a worktree with the version's files, among them its `dvc.lock`.
        version: names the dataset, and the revision if its `dvc.lock` does not.

    Raises:
        TransferlineError: the images are missing, or they have another hash.
    """
    dataset = version.tags["dataset"]
    locked = dependency_hash(locked_stages(project / LOCK), RAW / dataset)
    revision = locked or version.tags.get("data_revision", "")
    if not revision:
        raise TransferlineError(
            f"version {version.version} cannot be reproduced: the revision of its data is not stored"
        )
    target = _name_data(project, dataset, revision)
    named = f"version {version.version} cannot be reproduced: its data, {dataset} at revision {revision}"
    try:
        dvc(project, "checkout", "--force", target)
    except TransferlineError:
        say(f"reproduce: {dataset} is not in the DVC cache, pulling it")
        _pull(project, target, named)
    found = _hash_of(project, target)
    if found != revision:
        raise TransferlineError(
            f"{named}, is damaged: the files that DVC checked out have the hash {found}. `dvc push` them again from a "
            "machine that has them"
        )


def check_corrections(project: Path, version: "ModelVersion") -> None:
    """Checks that the corrections of a worktree are those that a version was trained with.

    Raises:
        TransferlineError: the corrections differ.
    """
    wanted = dependency_hash(locked_stages(project / LOCK), CORRECTIONS)
    if not wanted:
        return
    (project / CORRECTIONS).mkdir(parents=True, exist_ok=True)  # Git keeps no empty folder
    with open_repo(project) as repo:
        stage = repo.stage.load_one(str(project / "dvc.yaml"), "validate")
        (folder,) = (dep for dep in stage.deps if dep.def_path == CORRECTIONS.as_posix())
        found = str(folder.get_hash().value)
    if found != wanted:
        raise TransferlineError(
            f"version {version.version} cannot be reproduced: it was trained with the corrections of {CORRECTIONS} at "
            f"revision {wanted}, but commit {version.tags['git_commit'][:8]} and the changes that are stored with the "
            f"version give {found}. The folder changed between training and promotion; commit it before training"
        )


def _name_data(project: Path, dataset: str, revision: str) -> str:
    """Writes a revision of a dataset into the worktree's DVC file; returns DVC's name of that output's stage."""
    own, lock = project / RAW / f"{dataset}.dvc", project / FETCHED.with_suffix(".lock")
    fetch, fetched = f"fetch@{dataset}", _read_yaml(lock)
    if not own.exists() and fetch in fetched.get("stages", {}):
        _name_revision(fetched["stages"][fetch]["outs"][0], revision)
        _write_yaml(fetched, lock)
        return f"{FETCHED.as_posix()}:{fetch}"
    out = _read_yaml(own).get("outs", [{"path": dataset}])[0]
    if out.get("md5") != revision:
        _name_revision(out, revision)
        _write_yaml({"outs": [out]}, own)  # without the import: its source may have other data by now
    return own.relative_to(project).as_posix()


def _name_revision(out: dict[str, Any], revision: str) -> None:
    for key in ("size", "nfiles", "files"):
        out.pop(key, None)
    out |= {"hash": "md5", "md5": revision}


def _read_yaml(path: Path) -> dict[str, Any]:
    return (parse_yaml(path.read_text(encoding="utf-8"), path) or {}) if path.exists() else {}


def _write_yaml(tree: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    YAML(typ="safe", pure=True).dump(tree, path)


def _pull(project: Path, target: str, named: str) -> None:
    try:
        dvc(project, "pull", "--force", target)
    except TransferlineError as error:
        cache = dvc(project, "cache", "dir").strip()
        settings = [line.partition("=") for line in dvc(project, "config", "--list").splitlines()]
        urls = {name: url for name, _, url in settings if name.startswith("remote.") and name.endswith(".url")}
        remotes = ", ".join(f"{name.removeprefix('remote.').removesuffix('.url')} {url}" for name, url in urls.items())
        places = f"the remote ({remotes})" if remotes else "a remote (none is set: `dvc remote add -d NAME PLACE`)"
        raise TransferlineError(
            f"{named}, is neither in the DVC cache ({cache}) nor in {places}. `dvc push` it from a machine that has "
            f"it, then run this again. {reason_of(error)}"
        ) from error


def _hash_of(project: Path, target: str) -> str:
    """Returns DVC's hash of the present files."""
    file, _, name = target.partition(":")
    with open_repo(project) as repo:
        return str(repo.stage.load_one(str(project / file), name or None).outs[0].get_hash().value)
