"""What `transferline promote` and `rollback` print and write, and in which order."""

import json
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from tests.conftest import run_in_process
from tests.registry_project import select, train
from transferline.errors import TransferlineError
from transferline.registry import ledger
from transferline.report import page


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


@pytest.mark.slow
def test_a_page_that_fails_does_not_undo_a_rollback(params, monkeypatch, capsys, tmp_path):
    def fail(*_: object) -> Path:
        raise TransferlineError("no page")

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
