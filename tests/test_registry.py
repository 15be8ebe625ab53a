"""Runs, registered models, promotion and prediction with the real MLflow, on models of one layer."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.conftest import COLORS
from tests.registry_project import CARD, CLASSES, LATENCY, SUMMARY, select, train
from transferline.atomic_files import write_json
from transferline.cli import main as cli
from transferline.errors import TransferlineError
from transferline.models.exported import ModelCard, read_card
from transferline.prediction.named_model import find_model
from transferline.registry import champion, mlflow_model
from transferline.registry.aliases import CHALLENGER, CHAMPION
from transferline.registry.promotion import promote
from transferline.registry.recording import record_candidate
from transferline.registry.registered_models import (
    download_version,
    fetch_version,
    version_by_alias,
)
from transferline.registry.runs import find_or_replay, training_run
from transferline.registry.tracking import connect


@pytest.mark.slow
def test_a_registered_model_has_a_signature_and_says_where_it_comes_from(params):
    import mlflow

    head = train(params, "head", "good")
    select(params, head)
    client = connect(params.record, Path.cwd())
    run = find_or_replay(client, params, head)
    ended = client.get_run(run).info.end_time
    version = promote(params, Path.cwd()).version
    assert client.get_run(run).info.end_time == ended
    registered = client.get_model_version("colors", version)
    tags, page = registered.tags, registered.description
    assert {"candidate": "small", "phase": "head", "validation": "passed", "dataset": "colors"}.items() <= tags.items()
    assert len(tags["model_sha256"]) == len(tags["validation_sha256"]) == 64
    assert tags["gate/accuracy"] == "passed" and tags["gate/size_on_disk_in_MB"] == "not applicable"
    assert (
        page.startswith("[The page of this retraining](#/")
        and "\n\n**test accuracy 1.0000 (" in page
        and "Accepted for promotion: test accuracy 1.0000 is good enough for a first champion" in page
    )
    assert f"/runs/{registered.run_id}/artifacts/report/index.html" in page
    assert "It predicts one of these classes for an image: blue, green, red. It takes uint8 images of 32 × 32" in page
    shown = ", ".join(f"{name}: 1.00 (0.68 to 1.00)" for name in ("blue", "green", "red"))
    assert f"- weakest classes (recall on test): {shown}" in page
    assert "- damaged images were not tried" in page
    card = (download_version(registered) / "origin" / "model_card.md").read_text()
    assert card in page and "`transferline predict`" in client.get_registered_model("colors").description
    info = mlflow.models.get_model_info(f"models:/colors@{CHAMPION}")
    assert info.signature.inputs.inputs[0].type == np.dtype("uint8")
    assert info.signature.inputs.inputs[0].shape == (-1, 32, 32, 3)
    loaded = mlflow.pyfunc.load_model(f"models:/colors@{CHAMPION}")
    red = np.full((1, 32, 32, 3), COLORS["red"], np.uint8)
    assert np.argmax(loaded.predict(red)) == CLASSES.index("red")


def test_a_registration_that_is_interrupted_leaves_the_run_of_the_training_finished(params, monkeypatch):
    select(params, train(params, "head", "good"))
    client = connect(params.record, Path.cwd())

    def runs() -> list[tuple[str, str, int]]:
        found = client.search_runs([client.get_experiment_by_name("colors").experiment_id])
        return [(run.info.run_id, run.info.status, run.info.end_time) for run in found]

    (trained,), during = runs(), []

    def interrupt(**_: object) -> None:
        during.extend(runs())  # what a kill would leave
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mlflow_model, "save_model", interrupt)
        with pytest.raises(KeyboardInterrupt):
            promote(params, Path.cwd())
    assert trained[1] == "FINISHED" and during == runs() == [trained]
    version = client.get_model_version("colors", promote(params, Path.cwd()).version)
    assert runs() == [trained] and version.run_id == trained[0]
    model = client.get_logged_model(version.source.removeprefix("models:/"))
    assert (model.name, model.source_run_id, str(model.status)) == ("model", trained[0], "READY")
    assert model.params == client.get_run(trained[0]).data.params


def test_epochs_are_logged_as_they_end_and_a_failed_training_says_so(params):
    client = connect(params.record, Path.cwd())
    card = ModelCard(candidate="small", phase="head", **CARD)
    with pytest.raises(RuntimeError), training_run(params, card, Path("models/x")) as listener:
        listener({"phase": "head", "epoch": 1, "loss": 0.5})
        (run,) = client.search_runs([client.get_experiment_by_name("colors").experiment_id])
        assert run.info.status == "RUNNING" and run.data.metrics["train/loss"] == 0.5
        listener({"phase": "head", "epoch": 2, "loss": 0.25})
        raise RuntimeError
    run = client.get_run(run.info.run_id)
    assert run.info.status == "FAILED"
    assert [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "train/loss")] == [
        (1, 0.5),
        (2, 0.25),
    ]
    assert run.data.params["train_head.epochs"] == "3" and "fine_tune.epochs" not in run.data.params


def test_runs_that_the_store_does_not_know_are_recorded_again_from_the_files(params):
    train(params, "head", "fair")
    tuned = train(params, "fine_tune", "good")
    client = connect(params.record, Path.cwd())
    live = find_or_replay(client, params, tuned)
    assert "replayed" not in client.get_run(live).data.tags

    other = params.model_copy(update={"record": params.record.model_copy(update={"tracking_uri": "sqlite:///o/m.db"})})
    for phase in ("head", "fine_tune"):
        folder = Path("evaluations/small") / phase
        folder.mkdir(parents=True)
        test = {
            "n": 9,
            "groups": 3,
            "accuracy": 0.5,
            "accuracy_low": 0.4,
            "log_loss_low": 0.1,
            "per_class": {"red!": {"f1": 0.25}},
        }
        metrics = {"test": test, "validation": {"n": 9, "accuracy": 0.75, "per_class": {"red!": {"f1": 0.5}}}}
        write_json(folder / "metrics.json", {**metrics, **SUMMARY})
        write_json(folder / "latency.json", LATENCY)
        Image.new("RGB", (8, 8)).save(folder / "confusion.png")
    known = record_candidate(other, Path("models/small"), Path("evaluations/small"))
    assert record_candidate(other, Path("models/small"), Path("evaluations/small")) == known
    store = connect(other.record, Path.cwd())
    runs = store.search_runs([store.get_experiment_by_name("colors").experiment_id])
    by_phase = {run.data.tags["phase"]: run for run in runs}
    assert len(runs) == 2 and all(run.data.tags["replayed"] == "yes" for run in runs)
    head = by_phase["head"]
    assert by_phase["fine_tune"].data.tags["head_run"] == head.info.run_id
    assert head.data.metrics == {
        **{"train/loss": 1.0, "train/accuracy": 0.5, "train/val_loss": 1.0, "train/val_accuracy": 0.5},
        **{"train/learning_rate": 0.1, "train/seconds": 1.0, "train/best_epoch": 1.0},
        **{"validation/n": 9.0, "validation/accuracy": 0.75},
        **{"test/n": 9.0, "test/groups": 3.0, "test/accuracy": 0.5, "test/accuracy_low": 0.4},
        **{"model/ms_for_one_image": 3.0, "model/megabytes": 2.0},
    }
    assert head.info.run_name == "small head"
    assert "**test: accuracy 0.5000 on 9 images in 3 groups**" in head.data.tags["mlflow.note.content"]
    (dataset,) = (item.dataset for item in head.inputs.dataset_inputs)
    assert (dataset.name, dataset.digest, dataset.source_type) == ("colors", "unknown", "dvc")
    assert head.data.tags["mlflow.source.type"] == "LOCAL" and head.data.tags["mlflow.user"]
    table = json.loads(Path(store.download_artifacts(head.info.run_id, "per_class.json")).read_text())
    assert table["columns"] == ["split", "class", "f1"]
    assert table["data"] == [["validation", "red!", 0.5], ["test", "red!", 0.25]]
    files = {file.path for file in store.list_artifacts(head.info.run_id, "evaluation")}
    assert files == {"evaluation/metrics.json", "evaluation/latency.json"}
    assert any("confusion" in file.path for file in store.list_artifacts(head.info.run_id, "images"))


def test_predict_answers_for_files_folders_and_globs_and_names_what_is_no_image(params, monkeypatch, capsys):
    def predict(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["transferline", "predict", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        return end.value.code, said.out, said.err

    code, _, _ = predict("data/raw/colors/red/1.png")
    assert "no champion of the model colors yet" in str(code)

    select(params, train(params, "head", "good"))
    promote(params, Path.cwd())
    capsys.readouterr()
    Path("data/raw/colors/red/broken.png").write_bytes(b"no image")
    code, out, err = predict("data/raw/colors/red", "data/raw/colors/b*/1.png", "--json", "--csv", "out.csv")
    answers = {Path(answer["path"]).parent.name + Path(answer["path"]).name: answer for answer in json.loads(out)}
    assert code == 1 and "broken.png cannot be read as an image" in err and err.count("error") == 1
    assert len(answers) == 14 and answers["redbroken.png"]["label"] is None
    assert answers["red1.png"]["label"] == "red" and answers["blue1.png"]["label"] == "blue"
    assert sum(answers["red1.png"]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    table = pd.read_csv("out.csv")
    added = ["reason", "possible_labels", "novelty", "error", "model"]
    assert list(table.columns) == ["path", "label", "probability", *CLASSES, *added] and len(table) == 14
    code, out, _ = predict("data/raw/colors/blue/2.png", "--model", "models/small/head")
    assert code == 0 and out.startswith("blue ")
    code, _, _ = predict("nowhere/*.png")
    assert "nowhere/*.png: no image found" in str(code)


@pytest.mark.slow
def test_the_ledger_knows_the_champion_without_mlflow(params, monkeypatch):
    root, name = Path.cwd(), params.promote.model_name
    (root / "mlruns" / "mlflow.db").unlink()
    assert champion.champion_of(params.record, root, name) is None
    assert champion.cached_champion(params.record, root, name) is None
    assert not (root / "mlruns" / "mlflow.db").exists(), "to look makes no registry"
    select(params, train(params, "head", "good"))
    promote(params, root)
    of_mlflow = version_by_alias(connect(params.record, root), name, CHAMPION)
    with monkeypatch.context() as patch:
        patch.setattr(champion, "connect", None)  # MLflow is not asked
        found = champion.champion_of(params.record, root, name)
        assert found.version == str(of_mlflow.version) and found.tags.items() <= of_mlflow.tags.items()
        assert found.tags["candidate"] == "small" and found.move.kind == "promotion"
        assert champion.champion_of(params.record, root, "another") is None
        folder = champion.cached_champion(params.record, root, name)
    assert folder == fetch_version(of_mlflow, root)
    elsewhere = params.record.model_copy(update={"tracking_uri": f"sqlite:///{root.parent}/other.db"})
    assert champion.champion_of(elsewhere, root, name) is None, "a store that is not the project's own is asked"
    (folder / "model.tflite").write_bytes(b"other")
    with pytest.raises(TransferlineError, match=r"model\.tflite is refused: it is not the file that was registered"):
        champion.cached_champion(params.record, root, name)


def test_a_model_can_be_named_by_version_alias_or_folder(params):
    select(params, train(params, "head", "good"))
    version = promote(params, Path.cwd()).version
    for name in (version, CHAMPION, CHALLENGER, "models/small/head"):
        assert read_card(find_model(name)[0]).classes == CLASSES
    for name in ("99", "9" * 20):
        with pytest.raises(TransferlineError, match=f"no {name} of the model colors"):
            find_model(name)


def test_an_unreachable_mlflow_is_one_clear_message(params, monkeypatch):
    record_there = params.record.model_copy(update={"tracking_uri": "http://127.0.0.1:9"})
    with pytest.raises(
        TransferlineError, match=r"MLflow at record\.tracking_uri = http://127\.0\.0\.1:9 does not answer"
    ):
        connect(record_there, Path.cwd())


def test_promotion_without_a_selection_says_what_to_run(params):
    with pytest.raises(TransferlineError, match="no model is selected yet"):
        promote(params, Path.cwd())
