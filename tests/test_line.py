"""The whole pipeline with the real DVC, Great Expectations, Keras and MLflow, on images of three colours."""

import json
import shutil
from pathlib import Path

import mlflow
import pytest

from tests.conftest import TRAINING_LOG, edit_yaml, run
from tests.small_line import changed
from transferline.cli.status import status
from transferline.datasets.dvc_lock_file import trained_revision
from transferline.params import load_params
from transferline.registry.promotion import promote

pytestmark = pytest.mark.slow

MADE = ("bank", "models", "evaluations", "insight", "reports")


def metrics(root: Path) -> str:
    return (root / "metrics.json").read_text(encoding="utf-8")


def runs(root: Path) -> list[mlflow.entities.Run]:
    client = mlflow.MlflowClient(f"sqlite:///{root}/mlruns/mlflow.db")
    return list(client.search_runs([client.get_experiment_by_name("colors").experiment_id]))


def test_the_line_trains_compares_and_records(trained_project):
    output = (trained_project / ".git" / TRAINING_LOG).read_text(encoding="utf-8")
    assert "epoch 1 of 3" in output and "epoch 4 of 5" in output
    chosen = json.loads(metrics(trained_project))["selected"]
    assert chosen["candidate"] in ("small", "smaller") and chosen["validation"]["accuracy"] > 0.8
    assert "small" in (trained_project / "reports" / "leaderboard.md").read_text(encoding="utf-8")
    assert "Not decided yet" in (trained_project / "reports" / "index.html").read_text(encoding="utf-8")
    assert not list((trained_project / "models" / "smaller" / "fine_tune").iterdir())

    live = {(run.data.tags["candidate"], run.data.tags["phase"]): run for run in runs(trained_project)}
    assert set(live) == {("small", "head"), ("small", "fine_tune"), ("smaller", "head")}
    tuned = live["small", "fine_tune"]
    assert tuned.data.tags["head_run"] == live["small", "head"].info.run_id
    assert "replayed" not in tuned.data.tags and len(tuned.data.tags["git_commit"]) == 40
    assert tuned.data.tags["data_revision"] == trained_revision(trained_project, "colors") != ""
    assert tuned.data.tags["images"] == "120" and "test/accuracy" in tuned.data.metrics


def test_what_is_trained_is_promoted_and_restored_without_training(trained_copy, trained_project):
    """`test_reproduce.py` trains a second time and finds the same, bit for bit."""
    assert promote(load_params(trained_copy / "params.yaml"), trained_copy).promoted
    said = status(trained_copy)
    assert "everything is up to date" in said and "champion of colors: version 1" in said
    assert "didn't change" in run("dvc", "repro", cwd=trained_copy).stdout
    for command in (["metrics", "show"], ["plots", "show"]):
        run("dvc", *command, cwd=trained_copy)

    other = shutil.copytree(trained_copy, trained_copy.parent / "other")
    for name in ("mlruns", *MADE):
        shutil.rmtree(other / name)
    restored = run("dvc", "repro", cwd=other).stdout
    assert "epoch" not in restored and metrics(other) == metrics(trained_project)
    again = runs(other)
    assert len(again) == 3 and all(run.data.tags["replayed"] == "yes" for run in again)
    assert {run.data.metrics["test/accuracy"] for run in again} == {
        run.data.metrics["test/accuracy"] for run in runs(trained_project)
    }


def test_a_change_reruns_only_what_it_must(trained_copy):
    project = trained_copy
    edit_yaml(project / "params.yaml", lambda tree: tree["augment"].update(seed=8))
    found = changed(project)
    assert "validate" not in found and found["augment"] == ["augment.seed: 7 -> 8"]
    assert "extract@small" in found and "select" in found
    many = {"seed": 9, "views": 5, "horizontal_flip": False, "vertical_flip": True, "fill": "reflect"}
    many |= {key: [0, 0.01] for key in ("rotation", "shift_x", "shift_y")}
    edit_yaml(project / "params.yaml", lambda tree: tree["augment"].update(many))
    found = changed(project)["augment"]
    assert found[0] == "augment.fill: nearest -> reflect" and found[6:] == ["2 more in params.yaml"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: tree["data"].update(problem="binary"), "binary"),
        (lambda tree: tree["candidates"]["small"].update(kind="pretrain"), "kind"),
        (lambda tree: tree["data"].update(dataset="nowhere"), "nowhere"),
    ],
    ids=["three classes in a binary problem", "unknown kind", "unknown dataset"],
)
def test_a_mistake_stops_the_line_with_one_message_and_no_traceback(project, change, message):
    edit_yaml(project / "params.yaml", change)
    done = run("dvc", "repro", "validate", cwd=project, check=False)
    said = done.stdout + done.stderr
    assert done.returncode and message in said and "Traceback" not in said
    assert not (project / "data" / "manifest.parquet").exists()
