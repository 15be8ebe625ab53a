"""Trains a registered version again from scratch, with the files that were stored with it, and compares the results."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from transferline.errors import TransferlineError
from transferline.git_and_dvc import dvc, git
from transferline.params import Params
from transferline.pipeline import open_repo
from transferline.progress import say
from transferline.registry.file_comparison import compare_lines
from transferline.registry.registered_models import download_version, version_named
from transferline.registry.tracking import connect
from transferline.registry.version_data import bring_data, check_corrections
from transferline.registry.version_files import LOCK, ORIGIN, PATCH

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class Reproduction:
    """The result: whether everything is the same, and lines that describe the comparison."""

    identical: bool
    lines: tuple[str, ...]


def reproduce(params: Params, root: Path, number: str) -> Reproduction:
    """Trains a version again in a temporary Git worktree, with its original code, params and data.

    The project, its DVC cache and its MLflow store do not change.

    Args:
        params: name the model and the registry.
        root: the project's folder.
        number: of the version.

    Raises:
        TransferlineError: code, data or corrections are missing (this is checked before the training), or a stage
            failed.
    """
    client = connect(params.record, root)
    version = version_named(client, params.promote.model_name, number)
    stored = download_version(version)
    with _worktree(root, version, stored / ORIGIN / PATCH) as project:
        _take_lock(stored / ORIGIN / LOCK, project, version)
        _use_own_mlflow(project)
        cache = root / dvc(root, "cache", "dir").strip()
        share_cache(root, project, cache)
        bring_data(project, version)
        check_corrections(project, version)
        (project / LOCK).unlink()  # so that DVC runs every stage
        say(f"reproduce: running all stages of version {number}, commit {version.tags['git_commit'][:8]}")
        _run_all(project)
        same, lines = compare_lines(stored, version, project, cache)
    verdict = f"version {number} of {version.name}: " + ("identical" if same else "it differs")
    return Reproduction(same, (*lines, verdict))


@contextmanager
def _worktree(root: Path, version: "ModelVersion", patch: Path) -> Iterator[Path]:
    """The project in its state at the training, in a folder that is deleted afterwards."""
    commit = version.tags.get("git_commit")
    if commit is None:
        raise TransferlineError(
            f"version {version.version} cannot be reproduced: it was trained without a Git commit, so its code is "
            "not stored; commit before training"
        )
    prefix = git(root, "rev-parse", "--show-prefix").strip()
    with tempfile.TemporaryDirectory(prefix="reproduce-") as scratch:
        tree = Path(scratch) / "project"
        git(root, "worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            if patch.stat().st_size:
                git(tree, "apply", "--whitespace=nowarn", str(patch))
            yield tree / prefix
        finally:
            git(root, "worktree", "remove", "--force", str(tree))


def _take_lock(lock: Path, project: Path, version: "ModelVersion") -> None:
    """Copies the version's `dvc.lock`, which holds the hashes of its data, into the worktree."""
    if not lock.exists():
        raise TransferlineError(
            f"version {version.version} cannot be reproduced: it was registered without {LOCK}, so its data is not "
            "known; train with `transferline run` or `dvc repro`"
        )
    shutil.copyfile(lock, project / LOCK)


def _use_own_mlflow(project: Path) -> None:
    """Lets the worktree use its own MLflow store, so that the runs do not appear in the project's.

    The section `record` does not affect the training.
    """
    yaml, path = YAML(), project / "params.yaml"
    yaml.preserve_quotes = True
    tree = yaml.load(path)
    # with quotes: without them, YAML cannot read the value if it is inside braces
    tree["record"]["tracking_uri"] = DoubleQuotedScalarString("sqlite:///mlruns/mlflow.db")
    yaml.dump(tree, path)


def share_cache(root: Path, project: Path, cache: Path) -> None:
    """Lets the worktree use the project's DVC cache and its present remotes, which the commit may not have yet."""
    for name in ("config", "config.local"):
        if (root / ".dvc" / name).exists():
            shutil.copyfile(root / ".dvc" / name, project / ".dvc" / name)
    with open_repo(root) as repo:
        places = {name: str(remote["url"]) for name, remote in repo.config["remote"].items()}
    for name, place in places.items():
        if Path(place).is_absolute():  # the config may hold a path relative to the project
            dvc(project, "remote", "modify", "--local", name, "url", place)
    dvc(project, "cache", "dir", "--local", str(cache.resolve()))


def _run_all(project: Path) -> None:
    """Runs every stage with the code of the worktree; results are neither read from the cache nor written to it."""
    paths = [str(project / "src"), os.environ.get("PYTHONPATH", "")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", "dvc", "repro", "--no-run-cache", "--no-commit"]
    with subprocess.Popen(
        command, cwd=project, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            say(lines[-1])
    if process.returncode:
        last = [line for line in lines if line.startswith("error: ")] or lines[-1:]
        raise TransferlineError(f"training it again failed: {''.join(last).removeprefix('error: ')}")
