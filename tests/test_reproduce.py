"""A registered version made again from what was kept with it: the real Git, DVC, Keras and MLflow."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import edit_yaml, run
from tests.registry_project import registry_project, select, train
from transferline.errors import TransferlineError
from transferline.params import load_params
from transferline.registry import file_comparison as same_files
from transferline.registry.promotion import promote
from transferline.registry.reproduce import reproduce
from transferline.warm import shared_by_stages


@pytest.mark.slow
def test_a_version_is_made_again_from_its_commit_its_changes_and_its_data(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    """The params differ from the commit, and have changed since."""
    edit_yaml(project / "params.yaml", lambda tree: (tree.update(seed=11), tree["candidates"].pop("smaller")))
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # it differs from process to process: a warm parent would refuse them
    with shared_by_stages():
        run("dvc", "repro", "-q", cwd=project)
    params = load_params(project / "params.yaml")
    version = promote(params, project).version
    edit_yaml(project / "params.yaml", lambda tree: tree.update(seed=12))
    (project / "src" / "transferline" / "training" / "fit" / "batches.py").unlink()
    before = run("git", "status", "--porcelain", cwd=project).stdout

    found = reproduce(params, project, version)
    assert found.identical, "\n".join(found.lines)
    assert "weights: identical" in found.lines and "figures: all of metrics.json identical" in found.lines
    assert found.lines[-1] == f"version {version} of colors: identical"
    assert run("git", "status", "--porcelain", cwd=project).stdout == before
    assert run("git", "worktree", "list", cwd=project).stdout.count("\n") == 1

    shutil.rmtree(project / ".dvc" / "cache")
    with pytest.raises(
        TransferlineError, match=r"its data, colors at revision .* neither in the DVC cache nor in a re"
    ):
        reproduce(params, project, version)


def test_without_a_commit_nothing_can_be_made_again(tmp_path, monkeypatch):
    params = registry_project(tmp_path, monkeypatch)
    select(params, train(params, "head", "good"))
    with pytest.raises(TransferlineError, match="made outside a Git commit"):
        reproduce(params, tmp_path, promote(params, tmp_path).version)


def test_what_differs_is_named(tmp_path, monkeypatch):
    import keras

    params = registry_project(tmp_path, monkeypatch)
    good, fair = (train(params, *what) / "model.keras" for what in (("head", "good"), ("fine_tune", "fair")))
    assert same_files.weight_difference(good, good) == 0
    assert same_files.weight_difference(good, fair) == 20
    other = tmp_path / "other.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(other)
    assert same_files.weight_difference(good, other) == np.inf
    old, new = {"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 4}
    assert same_files.differences(old, new) == ["a.c: 2 → 3", "d: None → 4"]
