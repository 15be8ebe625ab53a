"""What `transferline promote` and `rollback` print and write, and in which order."""

import json
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow.exceptions import MlflowException

from tests.conftest import run_in_process
from tests.registry_project import select, train
from transferline.errors import TransferlineError
from transferline.registry import ledger, registered_models
from transferline.report import page
from transferline.training_lock import FILE, LockHeldError, held


@pytest.mark.slow
def test_a_page_that_fails_does_not_undo_the_decision(params, monkeypatch, capsys, tmp_path):
    def fail(*_: object) -> Path:
        raise OSError(28, "No space left on device", "reports/index.html")

    select(params, train(params, "head", "good"))
    monkeypatch.setattr(page, "write_page", fail)
    monkeypatch.chdir("data")
    assert run_in_process("promote", "--json", "decision.json") == 0
    said = capsys.readouterr()
    assert "version 1: promoted, test accuracy 1.0000" in said.out
    assert "warning: the page was not written: [Errno 28] No space left on device: 'reports/index.html'" in said.err
    assert json.loads((tmp_path / "data" / "decision.json").read_text())["promoted"], (
        "the path is relative to the user's folder"
    )


def test_a_copy_that_mlflow_refuses_does_not_undo_the_decision(params, monkeypatch, capsys):
    def fail(*_: object) -> None:
        raise MlflowException("no room")

    select(params, train(params, "head", "good"))
    monkeypatch.setattr(page, "log_page", fail)
    assert run_in_process("promote") == 0
    said = capsys.readouterr()
    assert "the page of this retraining: reports/index.html" in said.out
    assert "warning: MLflow has no copy of the page: no room" in said.err


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(28, "No space left on device", ".transferline"), "[Errno 28] No space left on device"),
        (MlflowException("the server does not answer"), "the server does not answer; the next `predict` tries again"),
    ],
)
def test_a_copy_that_fails_does_not_undo_the_decision(params, monkeypatch, capsys, error, text):
    def fail(_: object) -> None:
        raise error

    select(params, train(params, "head", "good"))
    with monkeypatch.context() as patch:
        patch.setattr(registered_models, "download_version", fail)
        assert run_in_process("promote") == 0
    said = capsys.readouterr().out
    assert "version 1: promoted" in said
    assert f"warning: version 1 was not copied to .transferline/models: {text}" in said
    assert run_in_process("predict", "data/raw/colors/red/1.png") == 0
    assert "predicted by colors version 1" in capsys.readouterr().out


@pytest.mark.slow
def test_a_page_that_fails_does_not_undo_a_rollback(params, monkeypatch, capsys, tmp_path):
    def fail(*_: object) -> Path:
        raise MlflowException("no page")

    for phase, quality in (("head", "fair"), ("fine_tune", "good")):
        select(params, train(params, phase, quality))
        assert run_in_process("promote", "--force", "--reason", "test") == 0
    monkeypatch.setattr(page, "write_page", fail)
    assert run_in_process("rollback", "--reason", "worse in use") == 0
    said = capsys.readouterr()
    assert (
        "champion of colors: version 1 again" in said.out and "warning: the page was not written: no page" in said.err
    )


@pytest.mark.slow
def test_a_missing_folder_for_the_decision_is_named_before_anything_moves(params, tmp_path):
    select(params, train(params, "head", "good"))
    with pytest.raises(TransferlineError, match=f"^--json: the folder {tmp_path / 'none'} does not exist"):
        run_in_process("promote", "--json", "none/decision.json")
    assert not ledger.read(tmp_path)


def test_a_promotion_does_not_run_beside_a_training_but_at_its_end(params, tmp_path):
    select(params, train(params, "head", "good"))
    with FileLock(tmp_path / FILE):
        for command in (["promote"], ["promote", "--dry-run"], ["report"]):
            with pytest.raises(LockHeldError, match="is at work in this project"):
                run_in_process(*command)
    assert not ledger.read(tmp_path)
    with held(tmp_path, "the flow retrain"):  # a process that the flow starts shares its lock
        assert run_in_process("promote") == 0
    assert len(ledger.read(tmp_path)) == 1


@pytest.mark.slow
def test_a_rollback_does_not_wait_for_a_training(params, tmp_path, capsys):
    for phase, quality in (("head", "fair"), ("fine_tune", "good")):
        select(params, train(params, phase, quality))
        assert run_in_process("promote", "--force", "--reason", "test") == 0
    with FileLock(tmp_path / FILE):
        assert run_in_process("rollback", "--reason", "worse in use") == 0
    said = capsys.readouterr()
    assert "champion of colors: version 1 again" in said.out
    assert "warning: the page was not written: " in said.err and "is at work in this project" in said.err
