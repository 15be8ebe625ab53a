"""Training of networks without a pretrained part, on tiny images of three colours."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.tiny_training import IMAGE, ROOT, job, make_data, network, two_classes, with_two_labels
from transferline.datasets.images import read_batch
from transferline.datasets.tables import ImageTable
from transferline.datasets.transforms import apply_views
from transferline.errors import TransferlineError
from transferline.models.exported import load_keras_model, load_model, read_card
from transferline.params import Image
from transferline.training.batches import Batches
from transferline.training.decoded_images import DecodedImages
from transferline.training.end_to_end_training import train


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ImageTable]:
    return make_data(tmp_path_factory.mktemp("raw"))


@pytest.mark.slow
def test_a_network_learns_colours_and_exports_a_model_that_reloads(data, tmp_path):
    section, rows = network({"epochs": 4}), []
    summary = train(*data, section, job(section.train, tmp_path, "train", rows=rows))
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4] and {row["phase"] for row in rows} == {"train"}
    assert max(row["val_accuracy"] for row in rows) > 0.9
    assert summary.floor["majority_accuracy"] == pytest.approx(1 / 3)
    conv, normalization, logits = 3 * 9 * 8 + 8, 4 * 8, 7 * 7 * 8 * 3 + 3
    assert (summary.parameters, summary.trainable) == (conv + normalization + logits, conv + 16 + logits)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("model.keras", "model.tflite", "card.json", "history.csv", "summary.json", "parity.npz", "curves.png")
    }
    with np.load(tmp_path / "parity.npz") as parity:
        model, lite = load_keras_model(tmp_path), load_model(tmp_path)
        np.testing.assert_allclose(model(parity["images"], training=False), parity["probabilities"], atol=1e-6)
        np.testing.assert_allclose(lite.probabilities(parity["images"]), parity["probabilities"], atol=1e-5)
    assert [layer.name for layer in model.get_layer("layers").layers][1:3] == ["layers_0_rescale", "layers_1_conv"]
    moving = model.get_layer("layers").get_layer("layers_2_batch_normalization").moving_mean.numpy()
    assert moving.any(), "batch normalisation has learnt no statistics"


@pytest.mark.slow
def test_several_labels_get_thresholds_and_the_exact_mean_average_precision(data, tmp_path):
    raw, views = data
    section = network(
        {
            "epochs": 4,
            "loss": {"kind": "focal", "label_smoothing": 0.1},
            "schedule": {"kind": "cosine", "warmup_epochs": 1, "final_fraction": 0.1},
            "class_weights": "balanced",
            "monitor": "val_mean_average_precision",
        }
    )
    summary = train(raw, with_two_labels(views), section, job(section.train, tmp_path, "train", "multilabel"))
    assert summary.floor["majority_mean_average_precision"] == pytest.approx((1 / 3 + 1 / 3 + 2 / 3) / 3)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["val_mean_average_precision"].max() > 0.9
    np.testing.assert_allclose(history["learning_rate"].iloc[[0, 3]], [1e-3, 1e-4], rtol=1e-5)
    card = read_card(tmp_path)
    assert len(card.thresholds) == 3 and all(0 < threshold < 1 for threshold in card.thresholds)
    assert card.argmax_fallback
    with np.load(tmp_path / "parity.npz") as parity:
        assert parity["probabilities"].shape == (8, 3)
        assert not np.allclose(parity["probabilities"].sum(axis=1), 1, atol=0.05)


@pytest.mark.slow
def test_grey_images_and_one_logit(data, tmp_path):
    raw, views = data
    section = network(image={**IMAGE, "color": "grayscale"})
    card = job(section.train, tmp_path, "train", "binary")
    train(raw, two_classes(views), section, card)
    model, lite = load_keras_model(tmp_path), load_model(tmp_path)
    assert model.input_shape == lite.input_shape == (None, 32, 32, 1) and model.output_shape == (None, 1)
    assert lite.output_shapes == [(None, 2), (None, 7 * 7 * 8)]


@pytest.mark.slow
def test_logs_for_tensorboard_are_those_of_the_last_training(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    section = network({"epochs": 1, "tensorboard": True}, layers=({"kind": "global_average_pool"},))
    for _ in range(2):
        train(*data, section, job(section.train, tmp_path / "model", "train"))
    assert len(list((tmp_path / "logs" / "c" / "train" / "train").iterdir())) == 1
    assert len(list((tmp_path / "logs" / "c" / "train" / "validation").iterdir())) == 1


@pytest.mark.slow
@pytest.mark.parametrize("histograms", [True, False])
def test_the_logs_hold_histograms_of_the_weights_in_each_epoch(data, tmp_path, monkeypatch, histograms):
    monkeypatch.chdir(tmp_path)
    section = network({"epochs": 2, "tensorboard": {"histograms": histograms}})
    train(*data, section, job(section.train, tmp_path / "model", "train"))
    logs = EventAccumulator(str(tmp_path / "logs" / "c" / "train" / "train"), {"tensors": 0}).Reload()
    tags = set(logs.Tags()["tensors"])
    weights = {tag for tag in tags if logs.SummaryMetadata(tag).plugin_data.plugin_name == "histograms"}
    assert "epoch_loss" in tags - weights
    names = [weight.path for weight in load_keras_model(tmp_path / "model").weights]
    assert len(weights) == (len(names) if histograms else 0), (weights, names)
    assert all(len(logs.Tensors(tag)) == 2 for tag in weights)


def test_the_images_on_disk_are_those_that_are_read_and_their_views_are_drawn(data, tmp_path):
    raw, views = data
    rows = views.rows[views.rows["split"] == "train"].reset_index(drop=True)
    image = Image.model_validate(IMAGE)
    pixels = DecodedImages(raw, rows, image, tmp_path)
    assert not list(tmp_path.iterdir()), "the file has no name"
    chosen = np.array([50, 2, 200, 1])
    plain = read_batch(raw, rows["path"].iloc[chosen].tolist(), image)
    np.testing.assert_array_equal(pixels.read(chosen), apply_views(plain, rows.iloc[chosen]))


def test_a_full_disk_is_one_message(data, tmp_path):
    raw, views = data
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(TransferlineError, match=r"decoded images cannot be written to .* they take 0\.00 GB"):
            DecodedImages(raw, views.rows, Image.model_validate(IMAGE), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_an_epoch_takes_each_image_once_and_varies_its_view(data):
    rows = data[1].rows[data[1].rows["split"] == "train"].reset_index(drop=True)
    seen = []
    batches = Batches(
        rows, lambda at: seen.append(at) or at, np.zeros((len(rows), 1), np.int32), np.ones(1), 10, 1, True
    )
    epochs = []
    for epoch in (1, 2, 1):
        seen.clear()
        assert len(list(batches.items(epoch))) == len(batches)
        epochs.append(np.concatenate(seen))
    np.testing.assert_array_equal(epochs[0], epochs.pop())
    for positions in epochs:
        assert sorted(rows["path"].iloc[positions]) == sorted(set(rows["path"]))
    kinds = [rows["kind"].iloc[np.sort(positions)].tolist() for positions in epochs]
    assert kinds[0] != kinds[1] and set(kinds[0]) == {"untouched", "flipped", "augmented"}


TWICE = """
import sys
from pathlib import Path
from tests.tiny_training import job, make_data, network
from transferline.training.end_to_end_training import train
folder, section = Path(sys.argv[1]), network()
train(*make_data(folder / "raw"), section, job(section.train, folder / "model", "train"))
"""


@pytest.mark.thorough
def test_the_same_params_give_the_same_weights_bit_for_bit_in_fresh_processes(tmp_path):
    for name in ("first", "second"):
        subprocess.run([sys.executable, "-c", TWICE, tmp_path / name], check=True, cwd=ROOT)
    one, other = (load_keras_model(tmp_path / name / "model").get_weights() for name in ("first", "second"))
    assert [weight.tobytes() for weight in one] == [weight.tobytes() for weight in other]
    summaries = [json.loads((tmp_path / name / "model" / "summary.json").read_text()) for name in ("first", "second")]
    assert summaries[0]["best_epoch"] == summaries[1]["best_epoch"]
