"""The retrain flow with the real Prefect and the real DVC, on a pipeline of three small steps instead of training."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.artifacts import Artifact
from prefect.testing.utilities import prefect_test_harness

from flows.retrain import main, retrain
from transferline import pipeline
from transferline.errors import TransferlineError

PROJECT = Path(__file__).parents[1]

STEP = """
import sys
from pathlib import Path

step, source, target = sys.argv[1:]
text = Path(source).read_text()
if step in text:
    sys.exit(f"error: {source}: 1 broken image\\n  a.png: truncated; mend or remove it")
print(step, "is at work")
Path(target).parent.mkdir(exist_ok=True)
Path(target).write_text(text)
"""

PIPELINE = """
stages:
  validate:
    cmd: python step.py validate data/${data.dataset} manifest
    params: [validate]
    deps: ["data/${data.dataset}"]
    outs: [manifest]
  train_head:
    foreach: ${candidates}
    do:
      cmd: python step.py train_head manifest models/${key}
      params: ["candidates.${key}.head"]
      deps: [manifest]
      outs: ["models/${key}"]
  select:
    cmd: python step.py select models/lite0_plain reports/leaderboard.md
    deps: [models]
    outs: [reports/leaderboard.md]
"""

FETCH = """
stages:
  fetch:
    foreach: [digits, other]
    do:
      cmd: python -c "open('${item}', 'w').write('some digits')"
      outs: ["${item}"]
"""

ORDER = [
    "data/dvc.yaml:fetch@digits",
    "validate",
    "train_head@lite0_plain",
    "train_head@lite0_hidden",
    "select",
]


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Git and DVC repository with the params of the default recipe, in which nothing has run; the current folder."""
    shutil.copy(PROJECT / "recipes/digits.yaml", tmp_path / "params.yaml")
    shutil.copytree(PROJECT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "*.local"))
    for name, text in {"step.py": STEP, "dvc.yaml": PIPELINE, "data/dvc.yaml": FETCH}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def reproduce(name: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "-q", "repro", name], check=True)


def test_stages_are_those_that_the_params_need_in_order(repo: Path) -> None:
    assert pipeline.stages(repo) == ORDER


def test_changed_says_why(repo: Path) -> None:
    assert pipeline.changed(repo) == {name: ["never run"] for name in ORDER}
    reproduce("select")
    assert pipeline.changed(repo) == {}
    edit(repo / "params.yaml", "hidden: [128]", "hidden: [64]")
    (repo / "reports/leaderboard.md").unlink()
    assert pipeline.changed(repo) == {
        "train_head@lite0_hidden": ["candidates.lite0_hidden.head.hidden: [128] -> [64]"],
        "select": ["reports/leaderboard.md is missing", "upstream changes: train_head@lite0_hidden"],
    }


def test_changed_sees_edited_data_and_commands(repo: Path) -> None:
    reproduce("select")
    (repo / "data/digits").unlink()
    (repo / "data/digits").write_text("other digits")
    edit(repo / "dvc.yaml", "step.py select", "-B step.py select")
    reasons = pipeline.changed(repo)
    assert reasons["data/dvc.yaml:fetch@digits"] == ["data/digits is not as the stage wrote it"]
    assert reasons["validate"] == ["data/digits changed", "upstream changes: data/dvc.yaml:fetch@digits"]
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
        pipeline.changed(repo)


@pytest.mark.slow
def test_a_run_does_all_then_nothing_then_what_changed(
    server: None, repo: Path, caplog: pytest.LogCaptureFixture
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
    assert retrain(promote=False) == {"stages": {}, "decision": None}
    assert "everything is up to date" in caplog.messages

    edit(repo / "params.yaml", "hidden: [128]", "hidden: [64]")
    assert list(retrain(promote=False)["stages"]) == ["train_head@lite0_hidden", "select"]


@pytest.mark.slow
def test_failed_validation_stops_before_training(
    server: None, repo: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    edit(repo / "data/dvc.yaml", "some digits", "digits that fail in validate")
    assert main(promote=False) == 1
    expected = "error: stage validate failed: data/digits: 1 broken image\n  a.png: truncated; mend or remove it\n"
    assert capsys.readouterr().err.endswith(expected)
    assert "train_head is at work" not in caplog.messages
    assert "Traceback" not in caplog.text
    assert not (repo / "models").exists()


@pytest.mark.slow
def test_wrong_params_stop_before_any_stage(server: None, repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(repo / "params.yaml", "dataset: digits", "datasets: digits")
    assert main(promote=False) == 1
    assert "did you mean dataset?" in capsys.readouterr().err
    assert not (repo / "data/digits").exists()


@pytest.mark.slow
def test_a_configured_server_that_does_not_answer(repo: Path, tmp_path: Path) -> None:
    env = {**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_HOME": str(tmp_path / ".prefect")}
    env["PYTHONPATH"] = str(PROJECT)
    command = [sys.executable, "-c", "import sys; from flows.retrain import main; sys.exit(main(False))"]
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert run.returncode == 1
    assert run.stderr.startswith("error: Failed to reach API at http://127.0.0.1:9/api/")
    assert "Traceback" not in run.stderr


@pytest.mark.slow
def test_a_promotion_that_fails_is_one_message(server: None, repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(promote=True) == 1
    assert "error: promotion failed: nothing is selected yet" in capsys.readouterr().err
