"""Names in params.yaml and data/sources.yaml never reach the shell that runs DVC's stages."""

import re
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT, edit_yaml, run
from transferline.cli.pipeline import run_stage_here
from transferline.code_versions import write_code_versions
from transferline.errors import TransferlineError

HOSTILE = [
    "t;touch x;#",
    "$(touch x)",
    "'; touch x; '",
    "a\ntouch x",
    "a && touch x",
    "\\$(touch x)",
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The pipeline with an empty file or folder for each dependency."""
    for name in ("dvc.yaml", "data/dvc.yaml", "data/sources.yaml", "params.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "data/raw/digits").mkdir(parents=True)
    for file in ("data/manifest.parquet", "data/views.parquet", "data/raw/digits/a"):
        (tmp_path / file).write_bytes(b"")
    write_code_versions(tmp_path)
    run("dvc", "init", "-q", "--no-scm", cwd=tmp_path)
    return tmp_path


def repro(project: Path, *stages: str) -> str:
    """Runs stages without those that they depend on, the first of which would check the params."""
    done = run("dvc", "repro", "--keep-going", "--single-item", *stages, cwd=project, check=False)
    assert done.returncode
    assert not list(project.rglob("x")), "the shell has run a name"
    return done.stdout + done.stderr


@pytest.mark.parametrize("file", ["dvc.yaml", "data/dvc.yaml"])
def test_no_command_contains_a_value_of_the_params(file: str) -> None:
    tree = YAML(typ="safe", pure=True).load(ROOT / file)
    constant = {name for entry in tree["vars"] if isinstance(entry, dict) for name in entry}
    for stage in tree["stages"].values():
        command = stage.get("do", stage)["cmd"]
        assert set(re.findall(r"\$\{([^}]*)\}", command)) <= constant, command
        assert not re.search(r"""[$`;&|<>*?!~()'"\\#]""", re.sub(r"\$\{\w+\}", "", command)), command


def _each_one(candidates: Any) -> dict[str, Any]:
    """A candidate under each of the hostile names."""
    return {name: deepcopy(candidates["lite0_plain"]) for name in HOSTILE}


@pytest.mark.slow
def test_the_shell_runs_no_name_of_a_candidate(project: Path) -> None:
    edit_yaml(project / "params.yaml", lambda tree: tree.update(candidates=_each_one(tree["candidates"])))
    printed = repro(project, *(f"extract@{name}" for name in HOSTILE))
    assert printed.count(f"{len(HOSTILE)} fault(s)") == len(HOSTILE), printed
    assert all(f"candidates.{name}: String should match" in printed for name in HOSTILE)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["$(touch x)", "'; touch x; '"])
def test_the_shell_runs_no_name_of_a_dataset(project: Path, name: str) -> None:
    (project / "data/raw/digits").rename(project / "data/raw" / name)
    edit_yaml(project / "params.yaml", lambda tree: tree["data"].update(dataset=name))
    assert "data.dataset: String should match" in repro(project, "augment")


@pytest.mark.slow
def test_the_shell_runs_no_name_of_a_public_dataset(project: Path) -> None:
    names = HOSTILE[:4]
    edit_yaml(
        project / "data/sources.yaml", lambda tree: tree.update(sources={name: {"kind": "digits"} for name in names})
    )
    printed = repro(project, *(f"data/dvc.yaml:fetch@{name}" for name in names))
    assert printed.count("a name has only letters, digits, - and _") == len(names), printed


def test_a_stage_checks_the_params_before_anything_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.setenv("DVC_STAGE", "data/dvc.yaml:fetch@a/../b")
    with pytest.raises(TransferlineError, match=r"fetch has the key 'a/../b'; a name has only letters"):
        run_stage_here("fetch", ["--unknown"])
    (tmp_path / "params.yaml").write_text("seed: x")
    with pytest.raises(TransferlineError, match=r"^params\.yaml: "):
        run_stage_here("fetch", ["--unknown"])
