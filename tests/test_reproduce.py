"""A registered version is trained again from the files stored with it. With the real Git, DVC, Keras and MLflow."""

import shutil
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT, edit_yaml, run
from tests.registry_project import registry_project, select, train
from tests.small_line import command, commit, edit, make_line
from transferline.errors import TransferlineError
from transferline.params import load_params
from transferline.registry import file_comparison as same_files
from transferline.registry.promotion import promote
from transferline.registry.reproduce import reproduce, share_cache
from transferline.registry.version_data import bring_data, check_corrections
from transferline.registry.version_files import changes


def add_stage_of_before(lock: Any) -> None:
    """A candidate of another recipe, which DVC leaves in its lock file."""
    lock["stages"]["train_head@former"] = deepcopy(lock["stages"]["train_head@small"])
    lock["stages"]["train_head@former"]["outs"][0]["path"] = "models/former/head"


@pytest.mark.slow
def test_a_version_is_made_again_from_its_commit_its_changes_and_its_data(trained_copy: Path):
    """The params differ from the commit, and have changed since; between training and promotion the `.dvc` file came to
    name other data than was trained on."""
    project = trained_copy
    # A project that holds the code, as this repository does: that of the commit is used, not what is there now.
    shutil.copytree(ROOT / "src", project / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    run("git", "add", "src", cwd=project)
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "code", cwd=project)
    edit_yaml(project / "params.yaml", lambda tree: tree["candidates"].pop("smaller"))
    run("dvc", "repro", "-q", cwd=project)  # selects
    edit_yaml(project / "dvc.lock", add_stage_of_before)
    shutil.copy(project / "data/raw/colors/blue/0.png", project / "data/raw/colors/red/new.png")
    run("dvc", "add", "-q", "data/raw/colors", cwd=project)
    params = load_params(project / "params.yaml")
    version = promote(params, project).version
    edit_yaml(project / "params.yaml", lambda tree: tree.update(seed=12))
    (project / "src" / "transferline" / "training" / "batches.py").unlink()
    before = run("git", "status", "--porcelain", cwd=project).stdout

    found = reproduce(params, project, version)
    assert found.identical, "\n".join(found.lines)
    assert "weights: identical" in found.lines and "metrics: all of metrics.json identical" in found.lines
    assert found.lines[-1] == f"version {version} of colors: identical"
    assert run("git", "status", "--porcelain", cwd=project).stdout == before
    assert run("git", "worktree", "list", cwd=project).stdout.count("\n") == 1

    shutil.rmtree(project / ".dvc" / "cache")
    with pytest.raises(
        TransferlineError,
        match=r"its data, colors at revision .* neither in the DVC cache \(.*\) nor in a remote \(none",
    ):
        reproduce(params, project, version)


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A version of the data a.txt and of the corrections 1, in a project whose files have gone on since."""
    line = make_line(tmp_path / "line")
    monkeypatch.chdir(line)
    corrections = line / "data/corrections/images.csv"
    corrections.parent.mkdir()
    corrections.write_text("1")
    edit(line / "dvc.yaml", '["data/raw/${data.dataset}"]', '["data/raw/${data.dataset}", data/corrections]')
    command("dvc", "repro", "-q", "validate", cwd=line)
    lock = (line / "dvc.lock").read_text()
    (line / "data/raw/images/b.txt").write_text("b")
    command("dvc", "repro", "-q", "validate", cwd=line)
    (line / "dvc.lock").write_text(lock)
    commit(line)
    return SimpleNamespace(version="7", tags={"dataset": "images", "git_commit": "f" * 40})


@pytest.mark.slow
def test_the_data_of_a_version_is_that_of_its_lock_not_of_the_dvc_file(version):
    bring_data(Path.cwd(), version)
    assert [file.name for file in Path("data/raw/images").iterdir()] == ["a.txt"]
    check_corrections(Path.cwd(), version)


@pytest.mark.slow
def test_an_import_brings_the_data_of_the_version_not_that_of_its_source(version, tmp_path):
    shutil.rmtree("data/raw/images")
    Path("data/raw/images.dvc").unlink()
    (tmp_path / "source").mkdir()
    (tmp_path / "source/new.txt").write_text("new")
    command("dvc", "import-url", "-q", tmp_path / "source", "data/raw/images", cwd=Path.cwd())
    bring_data(Path.cwd(), version)
    assert [file.name for file in Path("data/raw/images").iterdir()] == ["a.txt"]
    command("dvc", "status", cwd=Path.cwd())


@pytest.mark.slow
def test_data_that_cannot_be_had_is_named_with_where_it_was_looked_for(version, tmp_path):
    command("dvc", "remote", "add", "-d", "store", tmp_path / "store", cwd=Path.cwd())
    command("dvc", "push", "-q", "data/raw/images.dvc", cwd=Path.cwd())
    command("dvc", "gc", "-w", "-f", "-q", cwd=Path.cwd())
    shutil.rmtree(".dvc/cache")
    with pytest.raises(TransferlineError) as caught:
        bring_data(Path.cwd(), version)
    said = str(caught.value)
    assert (
        said.startswith("version 7 cannot be reproduced: its data, images at revision ") and ".dir, is neither" in said
    )
    assert ".dvc/cache" in said and "the remote (store " in said and "`dvc push` it from a machine that has it" in said


@pytest.mark.slow
def test_a_worktree_of_a_commit_without_remotes_pulls_from_those_of_today(version, tmp_path):
    """The place of the remote is written relative to the project."""
    root, worktree = Path.cwd(), tmp_path / "elsewhere" / "worktree"
    command("git", "worktree", "add", "--quiet", "--detach", worktree, cwd=root)
    shutil.copy("dvc.lock", worktree)
    command("dvc", "remote", "add", "-d", "store", "../store", cwd=root)
    bring_data(root, version)
    command("dvc", "push", "-q", "data/raw/images.dvc", cwd=root)
    shutil.rmtree(".dvc/cache")
    share_cache(root, worktree, root / ".dvc" / "cache")
    bring_data(worktree, version)
    assert [file.name for file in (worktree / "data/raw/images").iterdir()] == ["a.txt"]


@pytest.mark.slow
def test_a_fetched_set_is_that_of_the_version_too(version):
    """The lock of the fetch names other data by now."""
    fetch = "wdir: .., cmd: 'cp -r source data/raw/${item}', outs: ['data/raw/${item}']"
    Path("data/dvc.yaml").write_text(f"stages: {{fetch: {{foreach: [pub], do: {{{fetch}}}}}}}")
    Path("source").mkdir()
    for name in ("new", "old"):
        shutil.rmtree("data/raw/pub", ignore_errors=True)
        Path("source/a.txt").write_text(name)
        command("dvc", "repro", "-q", "-f", "data/dvc.yaml:fetch@pub", cwd=Path.cwd())
        if name == "new":
            newer = Path("data/dvc.lock").read_text()
    edit(Path("params.yaml"), "dataset: images", "dataset: pub")
    command("dvc", "repro", "-q", "validate", cwd=Path.cwd())
    Path("data/dvc.lock").write_text(newer)
    command("dvc", "checkout", "-q", "-f", "data/dvc.yaml:fetch@pub", cwd=Path.cwd())
    assert Path("data/raw/pub/a.txt").read_text() == "new"
    version.tags["dataset"] = "pub"
    bring_data(Path.cwd(), version)
    assert Path("data/raw/pub/a.txt").read_text() == "old"


@pytest.mark.slow
def test_other_corrections_than_those_of_the_version_are_refused(version):
    Path("data/corrections/images.csv").write_text("2")
    with pytest.raises(TransferlineError, match=r"version 7 .* corrections of data/corrections at revision .* give"):
        check_corrections(Path.cwd(), version)


def test_the_patch_of_a_version_makes_the_project_again_also_what_was_deleted(tmp_path):
    """The project is a folder of its repository."""
    root, worktree = tmp_path / "repository" / "project", tmp_path / "worktree"
    kept = ("src/a/x.py", "data/corrections/kept.csv", "params.yaml")
    gone = ("networks/n.py", "src/b.py", "data/corrections/c.csv", "data/corrections/in/d.csv", "data/raw/s.dvc")
    for name in (*kept, *gone):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{name}\n")
    command("git", "init", "-q", ".", cwd=root.parent)
    commit(root.parent)
    for name in gone:
        (root / name).unlink()
    command("git", "rm", "-q", "--cached", "project/data/raw/s.dvc", cwd=root.parent)
    new = ("src/new/y.py", "data/corrections/in/new.csv", "data/raw/t.dvc")
    for name in ("params.yaml", *new):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("new\n")

    (root.parent / ".gitattributes").write_text("* diff=shout\n")
    command("git", "config", "diff.shout.textconv", "tr a-z A-Z <", cwd=root)
    (tmp_path / "patch").write_bytes(changes(root))
    command("git", "worktree", "add", "-q", "--detach", worktree, cwd=root)
    command("git", "apply", tmp_path / "patch", cwd=worktree)
    made = {str(file.relative_to(worktree / "project")): file.read_text() for file in worktree.rglob("project/**/*.*")}
    assert made == {name: (root / name).read_text() for name in (*kept, *new)}


def test_without_a_commit_nothing_can_be_made_again(tmp_path, monkeypatch):
    params = registry_project(tmp_path, monkeypatch)
    select(params, train(params, "head", "good"))
    with pytest.raises(TransferlineError, match="trained without a Git commit"):
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
