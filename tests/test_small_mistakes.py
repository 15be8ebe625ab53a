"""Mistakes and interruptions that end in one message: no Git, a file where a folder must be, Ctrl-C, Ctrl-D."""

import sys
from pathlib import Path

import pytest

from transferline import new_project
from transferline.cli import data
from transferline.cli.main import main
from transferline.datasets.add import add
from transferline.errors import TransferlineError
from transferline.git_and_dvc import git, git_or_nothing, merge_texts
from transferline.models import backbone_sizes
from transferline.selection import selected_names


def test_a_machine_without_git_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TransferlineError, match=r"git cannot run in .*: No such file or directory; is it installed"):
        git(tmp_path, "status")
    with pytest.raises(TransferlineError, match="is it installed"):
        merge_texts("a", "b", "c")
    assert git_or_nothing(tmp_path, "status") == b""


def test_a_project_inside_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").touch()
    with pytest.raises(TransferlineError, match=r"photos\.zip is a file, so no folder can be in it"):
        new_project.init(tmp_path / "photos.zip" / "x", None, None)


def test_ctrl_c_at_the_table_of_backbones_hides_no_new_project(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(new_project, "init", lambda *_: "waste is a new project")
    monkeypatch.setattr(backbone_sizes, "backbone_table", interrupt)
    monkeypatch.setattr(sys, "argv", ["transferline", "init", "waste"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 130 and capsys.readouterr().out == "waste is a new project\n"


def test_ctrl_d_at_the_question_removes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def end_of_file(_: str) -> str:
        raise EOFError

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", end_of_file)
    assert not data._agreed("data/raw/waste: 3 images", yes=False)


def test_a_merge_that_left_marks_in_metrics_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('<<<<<<< HEAD\n{"selected": {}}\n')
    with pytest.raises(TransferlineError, match=r"metrics\.json does not name the selected model, .*; delete it"):
        selected_names(tmp_path)


def test_a_path_that_begins_like_a_home_folder_is_a_path(tmp_path: Path) -> None:
    with pytest.raises(TransferlineError, match="~nobody-1: no such folder or archive"):
        add("~nobody-1", "waste", tmp_path, None)
