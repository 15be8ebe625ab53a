"""What `transferline run` prints before the first stage. It ends without Prefect if there is nothing to do."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prefect import get_client

from tests.conftest import edit_yaml
from tests.small_line import changed, command, edit, make_line, runs_of
from transferline import pipeline, training_lock
from transferline.datasets.dvc_lock_file import LOCK, locked_stages
from transferline.flows.opening import Opening, open_run
from transferline.flows.preparation import prepare
from transferline.flows.retrain import retrain
from transferline.params import load_params
from transferline.processes import own_identity
from transferline.stage_seconds import FILE, keep_seconds, seconds_of_stages

TRAIN = """
  train:
    foreach: ${candidates}
    do:
      cmd: python step.py train manifest trained/${key}
      params: ["candidates.${key}.train"]
      deps: [manifest]
      outs: ["trained/${key}"]
"""


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three photographs of two classes, in which nothing has run; the current folder."""
    root = make_line(tmp_path / "line")
    (root / "data/raw/images/a.txt").unlink()
    for path in ("glass/1.png", "glass/2.png", "metal/1.png"):
        add_photograph(root, path)
    command("dvc", "add", "-q", "data/raw/images", cwd=root)
    monkeypatch.chdir(root)
    return root


def add_photograph(root: Path, path: str) -> None:
    file = root / "data/raw/images" / path
    file.parent.mkdir(exist_ok=True)
    pixels = np.random.default_rng([*path.encode()]).integers(0, 255, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(file)


def opening(root: Path, force_from: str | None = None) -> Opening:
    return open_run(root, load_params(root / "params.yaml"), pipeline.plan(root, force_from), promote=False)


@pytest.mark.slow
def test_the_first_run_and_what_changed_since(line: Path) -> None:
    first = opening(line)
    assert first.changes == "first training on images"
    assert first.facts == [
        "data/raw/images: 3 images in 2 classes (glass 2, metal 1); nothing was trained on it yet",
        "champion of digits: none yet",
        "to run: 4 stages; no earlier run measured how long they take",
    ]
    assert first.stages["validate"] == "never run"
    command("dvc", "repro", "-q", cwd=line)
    assert opening(line).changes == "no change"

    for path in ("glass/3.png", "wood/1.png"):
        add_photograph(line, path)
    keep_seconds(line, "validate", 12.4)
    then = opening(line)
    assert then.changes == "+2 images of 2 classes"
    assert "since the last training: +2 images: glass +1, wood +1 (new class)" in then.facts[0]
    assert then.facts[2].startswith("to run: 5 stages; took 12 s one after the other in earlier runs, without ")
    assert "data/raw/images changed" in then.text() and "| validate | data/raw/images changed" in then.markdown()


@pytest.mark.slow
def test_params_candidates_and_force_name_a_run(line: Path) -> None:
    command("dvc", "repro", "-q", cwd=line)
    assert opening(line, "select").changes == "forced from select on"

    def change(tree: dict[str, dict[str, dict[str, dict[str, object]]]]) -> None:
        tree["candidates"]["lite0_hidden"]["train_head"]["epochs"] = 9
        tree["candidates"]["third"] = tree["candidates"]["lite0_hidden"]

    edit_yaml(line / "params.yaml", change)
    assert opening(line).changes == "new candidate third; params: lite0_hidden epochs"


def test_corrections_name_a_run(line: Path) -> None:
    edit(line / "dvc.yaml", '["data/raw/${data.dataset}"]', '["data/raw/${data.dataset}", data/corrections]')
    (line / "data/corrections").mkdir()
    command("dvc", "repro", "-q", cwd=line)
    (line / "data/corrections/images.csv").write_text("path,label\n")
    found = opening(line)
    assert found.changes == "corrections" and ", before corrections; " in found.facts[0]


def test_data_that_cannot_be_read_does_not_hide_the_plan(line: Path) -> None:
    edit_yaml(
        line / "params.yaml",
        lambda tree: tree["data"].update(
            layout={"kind": "csv", "file": "no.csv", "path_column": "p", "label_column": "l", "split_column": None}
        ),
    )
    assert "no.csv" in opening(line).facts[0] and len(opening(line).stages) == 4


def test_seconds_of_a_damaged_file_are_unknown(line: Path) -> None:
    keep_seconds(line, "validate", 1)
    keep_seconds(line, "select", 2)
    assert seconds_of_stages(line) == {"validate": 1.0, "select": 2.0}
    (line / FILE).write_text("[1")
    assert seconds_of_stages(line) == {}
    (line / FILE).write_text("[1]")
    assert seconds_of_stages(line) == {}


@pytest.mark.slow
def test_a_stage_without_work_runs_beside_another_one(
    line: Path, recorded: None, caplog: pytest.LogCaptureFixture
) -> None:
    edit(line / "dvc.yaml", "  select:", f"{TRAIN}\n  select:")
    edit(line / "dvc.yaml", "deps: [models]", "deps: [models, trained]")
    plan = pipeline.plan(line)
    assert not any(name.startswith("train@") for name in (*plan, *pipeline.reasons_by_stage(line)))
    assert plan["select"].companions == ["train@lite0_plain", "train@lite0_hidden"]
    assert plan["select"].needs == {"validate", "train_head@lite0_plain", "train_head@lite0_hidden"}

    seconds = retrain(promote=False)["stages"]
    assert list(seconds) == list(plan) and set(seconds_of_stages(line)) == set(plan)
    assert not [message for message in caplog.messages if message.startswith("train is at work") or "train@" in message]
    assert {"train@lite0_plain", "train@lite0_hidden"} <= locked_stages(line / LOCK).keys()
    assert changed(line) == {} and "didn't change" in command("dvc", "repro", cwd=line)

    edit_yaml(line / "params.yaml", lambda tree: tree["augment"].update(seed=8))
    assert changed(line) == {}


@pytest.mark.slow
def test_a_run_is_named_after_its_reason_and_what_changed(line: Path, recorded: None) -> None:
    before = {run.id for run in runs_of("retrain")}
    retrain(reason="weekly", promote=False)
    retrain(promote=False)
    runs = {run.name: run for run in runs_of("retrain") if run.id not in before}
    assert set(runs) == {"weekly: first training on images", "no change"}
    with get_client(sync_client=True) as client:
        found = client.read_artifacts()
    plans = {artifact.flow_run_id: str(artifact.data) for artifact in found if artifact.key == "plan"}
    assert "| validate | never run |" in plans[runs["weekly: first training on images"].id]


def transferline(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PREFECT_API_URL": "http://127.0.0.1:9/api"}  # nobody answers there
    return subprocess.run(
        [sys.executable, "-m", "transferline", *words], cwd=root, env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_a_run_with_nothing_to_do_needs_no_prefect(line: Path) -> None:
    command("dvc", "repro", "-q", cwd=line)
    done = transferline(line, "run", "--no-promote")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "nothing to do: data, params and code are those of the last run.\n"
    add_photograph(line, "glass/9.png")
    done = transferline(line, "run", "--no-promote")
    assert done.returncode == 1 and "error: Prefect's server at http://127.0.0.1:9/api does not answer" in done.stderr
    assert "was changed by hand: +1 image: glass +1" in done.stdout and "to run: 4 stages" in done.stdout


def test_a_recipe_can_be_named_as_transferline_use_names_it(line: Path) -> None:
    (line / "data/raw/photos").mkdir()
    assert prepare(line, "photos", None, update=False) == load_params(line / "params.yaml")
    assert load_params(line / "params.yaml").data.dataset == "photos"


@pytest.mark.slow
def test_a_killed_run_is_cleaned_up_after_even_if_there_is_nothing_to_do(line: Path) -> None:
    command("dvc", "repro", "-q", cwd=line)
    killed = asdict(own_identity()) | {
        "started": 1.0,
        "token": "a",
        "since": "yesterday",
        "command": "transferline run",
    }
    (line / training_lock.FILE).parent.mkdir(exist_ok=True)
    (line / training_lock.FILE).write_text(json.dumps(killed), encoding="utf-8")
    done = transferline(line, "run", "--no-promote")
    assert "freed the lock of transferline run" in done.stdout
    assert "error: Prefect's server at http://127.0.0.1:9/api does not answer" in done.stderr, "it must reconcile"
