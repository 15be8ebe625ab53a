"""Trains a registered version again from scratch, from what was kept with it, and compares what comes out."""

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
    """What came out: whether all is the same, and a line for each thing that was compared."""

    identical: bool
    lines: tuple[str, ...]


def reproduce(params: Params, root: Path, number: str) -> Reproduction:
    """Makes a version again in a temporary Git worktree, with the code, params and data that it was made with.

    The project, its DVC cache and its MLflow store stay as they are.

    Args:
        params: names the model and the registry.
        root: the project's folder.
        number: of the version.

    Raises:
        TransferlineError: code, data or corrections are no longer to be had, which is said before anything is
            trained, or a stage failed.
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
        (project / LOCK).unlink()  # nothing counts as done already
        say(f"reproduce: running all stages of version {number}, commit {version.tags['git_commit'][:8]}")
        _run_all(project)
        same, lines = compare_lines(stored, version, project, cache)
    verdict = f"version {number} of {version.name}: " + ("identical" if same else "it differs")
    return Reproduction(same, (*lines, verdict))


@contextmanager
def _worktree(root: Path, version: "ModelVersion", patch: Path) -> Iterator[Path]:
    """The project as it was, in a folder that disappears afterwards."""
    commit = version.tags.get("git_commit")
    if commit is None:
        raise TransferlineError(
            f"version {version.version} cannot be reproduced: it was made outside a Git commit, so that "
            "its code is not kept; commit before training"
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
    """Puts the version's `dvc.lock` in place, which says what it was trained on."""
    if not lock.exists():
        raise TransferlineError(
            f"version {version.version} cannot be reproduced: it was registered without {LOCK}, so that nobody knows "
            "what it was trained on; train with `transferline run` or `dvc repro`"
        )
    shutil.copyfile(lock, project / LOCK)


def _use_own_mlflow(project: Path) -> None:
    """The runs of a reproduction are nobody's business; `record` has no influence on what is trained."""
    yaml, path = YAML(), project / "params.yaml"
    yaml.preserve_quotes = True
    tree = yaml.load(path)
    # quoted, or what is written into braces cannot be read again
    tree["record"]["tracking_uri"] = DoubleQuotedScalarString("sqlite:///mlruns/mlflow.db")
    yaml.dump(tree, path)


def share_cache(root: Path, project: Path, cache: Path) -> None:
    """Has the worktree use the project's DVC cache and its present remotes, of which the commit may know none yet."""
    for name in ("config", "config.local"):
        if (root / ".dvc" / name).exists():
            shutil.copyfile(root / ".dvc" / name, project / ".dvc" / name)
    with open_repo(root) as repo:
        places = {name: str(remote["url"]) for name, remote in repo.config["remote"].items()}
    for name, place in places.items():
        if Path(place).is_absolute():  # it may be written relative to the project
            dvc(project, "remote", "modify", "--local", name, "url", place)
    dvc(project, "cache", "dir", "--local", str(cache.resolve()))


def _run_all(project: Path) -> None:
    """Every stage with the code of the worktree; nothing is taken from the cache, nor put into it."""
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
        raise TransferlineError(f"it could not be made again: {''.join(last).removeprefix('error: ')}")
