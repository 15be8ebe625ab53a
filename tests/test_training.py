"""The trainings on a backbone, on tiny images of three colours."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from tests.tiny_training import HIDDEN, ROOT, TRAINING, candidate, frozen, job, lite0, make_data, two_classes
from transferline.datasets.tables import ImageTable, class_positions
from transferline.models.exported import load_keras_model, load_model, read_card
from transferline.training.bank import read_bank
from transferline.training.fill_bank import extract
from transferline.training.fine_tuning import fine_tune
from transferline.training.head_training import train_head


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ImageTable]:
    return make_data(tmp_path_factory.mktemp("raw"))


def weights_of(folder: Path) -> dict[str, np.ndarray]:
    return {weight.path: weight.numpy() for weight in load_keras_model(folder).weights}


def changed(before: Path, after: Path) -> set[str]:
    first, second = weights_of(before), weights_of(after)
    return {path for path in first if not np.array_equal(first[path], second[path])}


@pytest.mark.slow
def test_training_learns_counts_epochs_on_and_exports_a_model_that_reloads(data, tmp_path):
    raw, views = data
    extract(raw, views, candidate(), "multiclass", tmp_path / "bank")
    bank, rows = read_bank(tmp_path / "bank"), []
    section = candidate()
    head = train_head(bank, section, job(section.train_head, tmp_path / "head", "head", rows=rows))
    tuned_job = job(section.fine_tune, tmp_path / "tuned", "fine_tune", rows=rows)
    tuned = fine_tune(bank, section, tmp_path / "head", tuned_job, raw)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["phase"] for row in rows] == ["head"] * 3 + ["fine_tune"] * 3
    assert rows[2]["val_loss"] < head.floor["untrained_log_loss"]
    assert head.floor["majority_accuracy"] == pytest.approx(1 / 3)
    assert head.floor["majority_log_loss"] == pytest.approx(np.log(3))
    assert head.trainable < tuned.trainable < tuned.parameters == head.parameters
    assert read_card(tmp_path / "tuned").thresholds is None
    for folder, summary in ((tmp_path / "head", head), (tmp_path / "tuned", tuned)):
        history = pd.read_csv(folder / "history.csv")
        assert history.set_index("epoch")["val_loss"].idxmin() == summary.best_epoch
        with np.load(folder / "parity.npz") as parity:
            reloaded = load_model(folder).probabilities(parity["images"])
            np.testing.assert_allclose(reloaded, parity["probabilities"], atol=1e-5)
            assert parity["images"].dtype == np.uint8


@pytest.mark.slow
def test_fine_tuning_trains_scales_and_offsets_but_keeps_the_statistics_of_batch_normalisation(data, tmp_path):
    raw, views = data
    normalized = candidate(layers=({"kind": "batch_normalization"},))
    extract(raw, views, normalized, "multiclass", tmp_path / "bank")
    bank, folders = read_bank(tmp_path / "bank"), (tmp_path / "head", tmp_path / "tuned")
    train_head(bank, normalized, job(normalized.train_head, folders[0], "head"))
    fine_tune(bank, normalized, folders[0], job(normalized.fine_tune, folders[1], "fine_tune"), raw)
    names = changed(*folders)
    of_backbone = {name for name in names if "layers_0" not in name}
    assert not any("moving" in name for name in of_backbone)
    assert any(name.endswith("top_bn/gamma") for name in names)
    assert any(name.endswith("top_conv/kernel") for name in names)
    assert not any("block5" in name for name in names)
    own = {name.rpartition("/")[2] for name in names - of_backbone}
    assert own == {"gamma", "beta", "moving_mean", "moving_variance"}, "the candidate's own layers learn statistics too"
    moving = [
        value
        for name, value in weights_of(folders[0]).items()
        if name.endswith("layers_0_batch_normalization/moving_mean")
    ]
    assert len(moving) == 1 and moving[0].any()


@pytest.mark.slow
def test_without_train_head_the_layers_start_untrained_with_the_top(data, tmp_path):
    raw, views = data
    extracted = {"head_views": None, "fine_tune_views": "untouched", "dtype": "float16"}
    convolutional = ({"kind": "conv", "filters": 8, "kernel": 1}, {"kind": "flatten"})
    section = candidate(train_head=None, extract=extracted, layers=convolutional, backbone=lite0(pooling="none"))
    extract(raw, views, section, "multiclass", tmp_path / "bank")
    bank = read_bank(tmp_path / "bank")
    assert not bank.table.rows["in_head"].any() and bank.features == (1, 1, 1280)
    summary = fine_tune(bank, section, None, job(section.fine_tune, tmp_path / "tuned", "fine_tune"), raw)
    history = pd.read_csv(tmp_path / "tuned" / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3] and set(history["phase"]) == {"fine_tune"}
    assert history["val_loss"].min() < summary.floor["untrained_log_loss"]


@pytest.mark.slow
def test_the_kept_weights_are_those_of_the_best_epoch(data, tmp_path):
    raw, views = data
    wild = {**TRAINING, "epochs": 6, "optimizer": {"name": "sgd", "learning_rate": 30.0}, "early_stopping": None}
    section = frozen(train_head=wild)
    extract(raw, views, section, "multiclass", tmp_path / "bank")
    bank = read_bank(tmp_path / "bank")
    train_head(bank, section, job(section.train_head, tmp_path / "head", "head"))
    history = pd.read_csv(tmp_path / "head" / "history.csv")
    rows = bank.rows("head", "validation")
    head = keras.saving.load_model(tmp_path / "head" / "head.keras", compile=False)
    logits = np.asarray(head(bank.gather("features", rows.index.to_numpy())))
    truth = class_positions(rows["label"], bank.table.classes)[:, 0]
    accuracy = (logits.argmax(axis=1) == truth).mean()
    assert accuracy == pytest.approx(history["val_accuracy"][history["val_loss"].idxmin()])
    assert history["val_loss"].iloc[-1] > history["val_loss"].min()


@pytest.mark.slow
def test_a_binary_head_has_one_logit(data, tmp_path):
    raw, views = data
    section = frozen(layers=())
    extract(raw, two_classes(views), section, "binary", tmp_path / "bank")
    summary = train_head(
        read_bank(tmp_path / "bank"), section, job(section.train_head, tmp_path / "head", "head", "binary")
    )
    assert summary.trainable == 1280 + 1
    with np.load(tmp_path / "head" / "parity.npz") as parity:
        assert parity["probabilities"].shape == (8, 2)
        np.testing.assert_allclose(parity["probabilities"].sum(axis=1), 1, atol=1e-6)


TWICE = """
import sys
from pathlib import Path
from tests.tiny_training import candidate, job
from transferline.training.bank import read_bank
from transferline.training.fine_tuning import fine_tune
from transferline.training.head_training import train_head
folder, section = Path(sys.argv[1]), candidate()
bank = read_bank(folder.parent / "bank")
train_head(bank, section, job(section.train_head, folder / "head", "head"))
fine_tune(bank, section, folder / "head", job(section.fine_tune, folder / "tuned", "fine_tune"), folder)
"""


@pytest.mark.thorough
def test_the_same_params_give_the_same_weights_bit_for_bit_in_fresh_processes(data, tmp_path):
    raw, views = data
    extract(raw, views, candidate(layers=HIDDEN), "multiclass", tmp_path / "bank")
    for name in ("first", "second"):
        subprocess.run([sys.executable, "-c", TWICE, tmp_path / name], check=True, cwd=ROOT)
    assert not changed(tmp_path / "first" / "tuned", tmp_path / "second" / "tuned")
    losses = [json.loads((tmp_path / name / "tuned" / "summary.json").read_text()) for name in ("first", "second")]
    assert losses[0]["best_epoch"] == losses[1]["best_epoch"]
