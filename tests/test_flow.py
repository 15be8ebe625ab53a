"""The retrain flow with the real Prefect and the real DVC, on a pipeline of three small steps instead of training."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.artifacts import Artifact

from tests.conftest import edit_yaml
from tests.small_line import changed, edit, make_line
from transferline import pipeline
from transferline.cli import main as cli
from transferline.errors import TransferlineError
from transferline.flows.retrain import main, retrain

PROJECT = Path(__file__).parents[1]

FETCH = """
stages:
  fetch:
    foreach: [digits, other]
    do:
      cmd: python -c "open('raw/${item}', 'w').write('some digits')"
      outs: ["raw/${item}"]
"""

ORDER = [
    "data/dvc.yaml:fetch@digits",
    "validate",
    "train_head@lite0_plain",
    "train_head@lite0_hidden",
    "select",
]


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose data comes from a stage, in which nothing has run; the current folder."""
    make_line(tmp_path)
    (tmp_path / "data/dvc.yaml").write_text(FETCH)
    shutil.copy(PROJECT / "data/sources.yaml", tmp_path / "data")
    edit(tmp_path / "params.yaml", "dataset: images", "dataset: digits")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fewer_epochs(repo: Path) -> None:
    edit_yaml(repo / "params.yaml", lambda tree: tree["candidates"]["lite0_hidden"]["train_head"].update(epochs=9))


def reproduce(name: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "-q", "repro", name], check=True)


def test_stages_are_those_that_the_params_need_in_order(repo: Path) -> None:
    assert list(pipeline.reasons_by_stage(repo)) == ORDER


@pytest.mark.slow
def test_changed_says_why(repo: Path) -> None:
    assert changed(repo) == {name: ["never run"] for name in ORDER}
    reproduce("select")
    assert changed(repo) == {}
    fewer_epochs(repo)
    (repo / "reports/leaderboard.md").unlink()
    assert changed(repo) == {
        "train_head@lite0_hidden": ["candidates.lite0_hidden.train_head.epochs: 20 -> 9"],
        "select": ["reports/leaderboard.md is missing", "upstream changes: train_head@lite0_hidden"],
    }


@pytest.mark.slow
def test_changed_sees_edited_data_and_commands(repo: Path) -> None:
    reproduce("select")
    (repo / "data/raw/digits").unlink()
    (repo / "data/raw/digits").write_text("other digits")
    edit(repo / "dvc.yaml", "step.py select", "-B step.py select")
    reasons = changed(repo)
    assert reasons["data/dvc.yaml:fetch@digits"] == ["data/raw/digits differs from what the stage wrote"]
    assert reasons["validate"] == ["data/raw/digits changed", "upstream changes: data/dvc.yaml:fetch@digits"]
    assert "its command changed" in reasons["select"]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("dvc.yaml", "outs: [manifest]", "outs: [manifest", "dvc.yaml"),
        ("dvc.yaml", "${data.dataset}", "${data.datasets}", "data.datasets"),
        (".dvc/config", "[core]", "[core", "config"),
    ],
)
def test_a_pipeline_that_dvc_cannot_read(repo: Path, file: str, old: str, new: str, message: str) -> None:
    edit(repo / file, old, new)
    with pytest.raises(TransferlineError, match=message):
        changed(repo)


@pytest.mark.slow
def test_a_run_does_all_then_nothing_then_what_changed(
    recorded: None, repo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert list(retrain(promote=False)["stages"]) == ORDER
    assert [message for message in caplog.messages if "is at work" in message] == [
        "validate is at work",
        "train_head is at work",
        "train_head is at work",
        "select is at work",
    ]
    names = [getattr(record, "task_run_name", None) for record in caplog.records]
    assert list(dict.fromkeys(filter(None, names))) == ["fetch@digits", *ORDER[1:]]
    leaderboard = Artifact.get("leaderboard")
    assert leaderboard is not None and leaderboard.data == "some digits"

    caplog.clear()
    state = retrain(promote=False, return_state=True)
    assert state.result()["stages"] == {}
    assert state.message.startswith("no stages ran in ")

    fewer_epochs(repo)
    assert list(retrain(promote=False)["stages"]) == ["train_head@lite0_hidden", "select"]


@pytest.mark.slow
def test_failed_validation_stops_before_training(
    recorded: None, repo: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    edit(repo / "data/dvc.yaml", "some digits", "digits that fail in validate")
    assert main(promote=False) == 1
    expected = "error: stage validate failed: data/raw/digits: 1 broken image\n  a.png: truncated; mend or remove it\n"
    assert capsys.readouterr().err.endswith(expected)
    assert "train_head is at work" not in caplog.messages
    assert "Traceback" not in caplog.text
    assert not (repo / "models").exists()


@pytest.mark.slow
def test_wrong_params_stop_before_any_stage(recorded: None, repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(repo / "params.yaml", "dataset: digits", "datasets: digits")
    assert main(promote=False) == 1
    assert "did you mean dataset?" in capsys.readouterr().err
    assert not (repo / "data/raw/digits").exists()


def test_wrong_params_are_named_before_prefect_is_needed(
    repo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(repo / "params.yaml", "dataset: digits", "datasets: digits")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setattr(sys, "argv", ["transferline", "run"])
    with pytest.raises(SystemExit, match="did you mean dataset"):
        cli.main()


@pytest.mark.slow
def test_a_promotion_that_fails_is_one_message(recorded: None, repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(promote=True) == 1
    assert "error: promotion failed: no model is selected yet" in capsys.readouterr().err
