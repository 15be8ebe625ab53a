"""Stages of different candidates run at the same time, in the order of DVC's graph, with the real DVC and Prefect."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from prefect import flow
from prefect.artifacts import Artifact
from prefect.settings import PREFECT_API_URL

from tests.empty_databases import give_database
from tests.small_line import PROJECT, changed, command, edit, make_line, started, wait_for
from transferline import pipeline
from transferline.errors import TransferlineError
from transferline.flows.retrain import main, retrain
from transferline.params import load_params
from transferline.params.load import parse_params
from transferline.stage_seconds import FILE as SECONDS
from transferline.stage_seconds import seconds_of_stages
from transferline.tasks.jobs import StagesFailedError, run_steps
from transferline.training_lock import clear

pytestmark = pytest.mark.slow

MEET = """
import sys
import time
from pathlib import Path

source, target = map(Path, sys.argv[2:])
Path("here").mkdir(exist_ok=True)
Path("here", target.name).touch()
for _ in range(600):
    if len(list(Path("here").iterdir())) == 2:
        break
    time.sleep(0.1)
else:
    sys.exit("error: the other candidate did not come")
target.parent.mkdir(exist_ok=True)
target.write_text(source.read_text())
"""


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: None) -> Path:
    root = make_line(tmp_path / "line")
    monkeypatch.chdir(root)
    return root


def test_two_candidates_wait_for_each_other(line: Path) -> None:
    (line / "meet.py").write_text(MEET)
    edit(line / "dvc.yaml", "python step.py train_head", "python meet.py train_head")
    seconds = retrain(jobs=2, promote=False)["stages"]
    names = list(seconds)
    assert names[0] == "validate" and names[-1] == "select"
    assert set(names[1:3]) == {"train_head@lite0_plain", "train_head@lite0_hidden"}
    assert changed(line) == {}
    assert "didn't change" in command("dvc", "repro", cwd=line)
    select = Artifact.get("leaderboard")
    assert select is not None and select.task_run_id is not None


def test_validate_never_comes_from_the_cache_of_runs(line: Path) -> None:
    """An earlier run did not know the images on which later champions were tested."""
    retrain(promote=False)
    (line / "data/raw/images/b.txt").write_text("b")
    retrain(promote=False)
    (line / "data/raw/images/b.txt").unlink()
    (line / SECONDS).unlink()
    assert set(retrain(promote=False)["stages"]) > {"validate", "select"}
    assert set(seconds_of_stages(line)) == {"validate"}, "the others come from the cache"


def test_forced_stages_take_theirs_downstream_with_them(line: Path) -> None:
    retrain(promote=False)
    assert list(retrain(promote=False, force_from="train_head@lite0_hidden")["stages"]) == [
        "train_head@lite0_hidden",
        "select",
    ]
    forced = pipeline.plan(line, "train_head")
    assert list(forced) == ["train_head@lite0_plain", "train_head@lite0_hidden", "select"]
    assert forced["select"].reasons[0] == "forced from train_head on"
    with pytest.raises(TransferlineError, match="no stage train; allowed are validate, train_head, select"):
        pipeline.plan(line, "train")


def test_after_a_failure_no_further_stage_starts(line: Path) -> None:
    edit(line / "dvc.yaml", "step.py train_head manifest models/${key}", "step.py images manifest models/${key}")
    (line / "data/raw/images/images.txt").touch()

    @flow
    def both() -> None:
        run_steps(pipeline.plan(line), jobs=2)

    with pytest.raises(StagesFailedError) as caught:
        both()
    assert str(caught.value).count("failed: manifest: 1 broken image") == 2
    assert not (line / "reports").exists()


def test_ctrl_c_stops_the_stages(line: Path, recorded: None) -> None:
    log, env = line / "log.txt", os.environ | {"STEP_SECONDS": "600", "PREFECT_API_URL": PREFECT_API_URL.value()}
    words = [sys.executable, "-c", "from transferline.flows.retrain import main; main(jobs=2, promote=False)"]
    with started(words, log, cwd=line, env=env) as process:
        wait_for("stage", 60, [log], lambda: "validate is at work" in log.read_text())
        children = psutil.Process(process.pid).children(recursive=True)
        assert any("step.py" in child.cmdline() for child in children)
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert not psutil.wait_procs(children, timeout=10)[1]
    assert clear(line) == []


def test_a_terminated_run_takes_its_stages_and_its_server_along(line: Path) -> None:
    env = os.environ | {"STEP_SECONDS": "600", "PREFECT_HOME": str(line / ".prefect")}
    env.pop("PREFECT_API_URL", None)
    give_database(line / ".prefect")
    log, words = line / "log.txt", [str(Path(sys.executable).parent / "transferline"), "run", "--no-promote"]
    with started(words, log, cwd=line, env=env) as process:
        wait_for("stage", 120, [log], lambda: "validate is at work" in log.read_text())
        children = psutil.Process(process.pid).children(recursive=True)
        assert any("prefect" in child.cmdline() for child in children)
        process.terminate()
        process.wait(60)
    assert not psutil.wait_procs(children, timeout=20)[1]


def test_a_recipe_and_a_revision_are_for_the_run(line: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line / "recipes").mkdir()
    recipe = line / "recipes/more.yaml"
    recipe.write_text((line / "params.yaml").read_text().replace("min_images: 5", "min_images: 6"))
    (line / "data/raw/images/b.txt").write_text("b")
    command("dvc", "add", "-q", "data/raw/images", cwd=line)
    command("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "more", cwd=line)
    retrain(recipe="recipes/more.yaml", data_revision="HEAD~1", promote=False)
    assert (line / "params.yaml").read_text() == recipe.read_text()
    assert "b.txt" not in (line / "manifest").read_text()
    edit(line / "params.yaml", "min_images: 6", "min_images: 7")
    assert main(recipe="recipes/more.yaml") == 1
    assert "has changes that are saved neither in Git nor in a recipe" in capsys.readouterr().err


def test_a_run_adds_the_keys_that_params_yaml_lacks(line: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (line / "params.yaml").read_text()
    edit(line / "params.yaml", "  robustness: null ", "  # robustness: ours to say ")
    retrain(promote=False)
    assert "added missing keys to params.yaml: evaluate.robustness; " in capsys.readouterr().out
    text = (line / "params.yaml").read_text()
    assert "\n  # robustness: ours to say " in text and "\n  robustness: null " in text
    edit(line / "params.yaml", "# robustness: ours to say ", "# ")
    assert load_params(line / "params.yaml") == parse_params(whole, line)


CONNECT = """
import sys
import time
from pathlib import Path

import mlflow
from transferline.params import load_params
from transferline.registry.tracking import connect, experiment_id

Path(sys.argv[1]).touch()
while len(list(Path("ready").iterdir())) < 2:
    time.sleep(0.01)
record = load_params(Path("params.yaml")).record
print(experiment_id(connect(record, Path.cwd()), record, Path.cwd()))
"""


def test_stages_that_are_the_first_to_use_mlflow(tmp_path: Path) -> None:
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    (tmp_path / "ready").mkdir()
    words = [[sys.executable, "-c", CONNECT, f"ready/{number}"] for number in range(2)]
    processes = [subprocess.Popen(word, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for word in words]
    assert {process.communicate()[0] for process in processes} == {"1\n"}
