"""Fine-tuning to the depth that is best on validation."""

import json
import math
import re
import shutil
from functools import partial

import keras
import numpy as np
import pandas as pd
import pytest

from tests.tiny_training import HIDDEN, ROOT, TRAINING, candidate, job, make_data, two_classes, with_two_labels
from transferline.errors import TransferlineError
from transferline.models.candidate_description import describe_candidate
from transferline.models.exported import ModelCard, load_keras_model
from transferline.params import FineTuning, Image, SegmentationTraining, Training
from transferline.training.bank import read_bank
from transferline.training.batches import Batches
from transferline.training.fill_bank import extract
from transferline.training.fine_tuning import fine_tune
from transferline.training.head_training import train_head
from transferline.training.ladder import Rung, TrainedHead, climb, standard_error
from transferline.training.shortened_training import shortened

DEPTHS = ({"from_layer": "conv_3"}, {"from_layer": 0})
BACKBONE = {"name": "networks.example:tiny_backbone", "weights": "none", "unfreeze": DEPTHS}
FAST = {**TRAINING, "epochs": 2, "optimizer": {"name": "adam", "learning_rate": 1e-2}, "early_stopping": None}
WILD = {**FAST, "optimizer": {"name": "sgd", "learning_rate": 1e4}}
STILL = {**FAST, "optimizer": {"name": "sgd", "learning_rate": 1e-30}, "epochs": 1}


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "networks", tmp_path / "networks", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("raw"))


def trained(data, folder, training, problem="multiclass", **changes):
    """The rows of all epochs, the summary of fine-tuning, and the folders of head and fine-tuned model."""
    raw, views = data
    section, rows = candidate(backbone=BACKBONE, layers=HIDDEN[1:2], fine_tune=training, **changes), []
    extract(raw, views, section, problem, folder / "bank")
    bank = read_bank(folder / "bank")
    head = folder / "head" if section.train_head else None
    if head:
        train_head(bank, section, job(section.train_head, head, "head", problem, rows=rows))
    summary = fine_tune(bank, section, head, job(section.fine_tune, folder / "tuned", "fine_tune", problem, rows), raw)
    return pd.DataFrame(rows), summary


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "of"), [("multiclass", lambda views: views), ("binary", two_classes), ("multilabel", with_two_labels)]
)
def test_a_rung_that_validation_prefers_is_kept_and_the_next_one_trains_the_whole_network(data, tmp_path, problem, of):
    raw, views = data
    rows, summary = trained((raw, of(views)), tmp_path, FAST, problem)
    tuned = rows[rows["phase"] == "fine_tune"]
    assert tuned["rung"].tolist() == [1, 1, 2, 2] and tuned["epoch"].tolist() == [4, 5, 6, 7]
    assert tuned["boundary"].unique().tolist() == ["conv_3", "conv_1"]
    assert pd.read_csv(tmp_path / "tuned" / "history.csv")["rung"].tolist() == [1, 1, 2, 2]
    written = json.loads((tmp_path / "tuned" / "summary.json").read_text())
    assert written["boundary"] == summary.boundary
    first, last = (load_keras_model(tmp_path / name) for name in ("head", "tuned"))
    pairs = zip(first.weights, last.weights, strict=True)
    names = {one.path.split("/")[-2] for one, other in pairs if not np.array_equal(one, other)}
    assert "conv_3" in names, "the first rung is kept"
    assert ("conv_1" in names) == (summary.boundary == "conv_1") == (summary.best_epoch > 5)


BOTH, NEITHER, ONE, OTHER = [[0, 1], [0, 1]], [[0, 1], [0, -1]], [[0, 1], [0, 0]], [[0, 0], [0, 1]]


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (ONE, BOTH, "conv_1"),
        (ONE, NEITHER, "conv_3"),
        (ONE, OTHER, "conv_1"),  # its gain is less than one standard error
        (OTHER, ONE, "conv_3"),
    ],
)
def test_the_last_rung_that_is_better_is_kept(first, second, kept, capsys):
    found = climbed({"conv_3": first, "conv_1": second}, None)
    assert found.boundary == kept and found.best_epoch == (2 if kept == "conv_1" else 1)
    assert found.history["rung"].tolist() == [1, 2]
    assert found.model.get_weights()[0].tolist() == (second if kept == "conv_1" else first)
    gain, error, _ = map(float, re.findall(r"[+-]?0\.\d{4}", capsys.readouterr().out))
    assert (abs(gain) < error) == (OTHER in (first, second))


@pytest.mark.parametrize(("first", "kept"), [(BOTH, "conv_3"), (OTHER, "")])
def test_the_first_rung_must_be_better_than_the_head_by_more_than_one_standard_error(first, kept):
    head = TrainedHead(pd.DataFrame({"epoch": [1], "loss": 1.0, "val_loss": 1.0}), 1)
    found = climbed({"conv_3": first, "conv_1": NEITHER}, head)
    assert found.boundary == kept and found.model.get_weights()[0].tolist() == (first if kept else ONE)


def climbed(kernels, head):
    """A climb from the kernel `ONE`. The class is the sign of the sum of two values; kernels take one or both."""
    values = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    targets = (values.sum(axis=1) > 0).astype(np.int32)[:, None]
    rows = pd.DataFrame({"path": [f"{number}.png" for number in range(200)]})
    batches = Batches(rows, lambda places: values[places], targets, np.ones(2, np.float32), 50)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])

    def fit(rung, start, of_rung):
        model.set_weights([np.array(kernels[rung.boundary])])
        return pd.DataFrame([{"epoch": start, "loss": 1.0, "val_loss": 1.0, **of_rung}])

    rungs = [partial(Rung, boundary, model, batches, batches) for boundary in kernels]
    model.set_weights([np.array(ONE)])
    return climb(rungs, fit, "multiclass", Training.model_validate(FAST), head)


@pytest.mark.slow
def test_a_rung_that_is_worse_leaves_the_weights_of_the_head_and_ends_the_climb(data, tmp_path, capsys):
    rows, summary = trained(data, tmp_path, WILD)
    tuned = rows[rows["phase"] == "fine_tune"]
    assert set(tuned["rung"]) == {1} and summary.boundary == "" and summary.trainable == 0
    assert summary.best_epoch == rows[:3].set_index("epoch")["val_loss"].idxmin()
    assert "rung 1, from conv_3" in (said := capsys.readouterr().out) and "not kept" in said
    first, last = (load_keras_model(tmp_path / name) for name in ("head", "tuned"))
    assert all(np.array_equal(a, b) for a, b in zip(first.weights, last.weights, strict=True))


def test_where_no_rung_is_kept_the_best_epoch_is_that_of_the_head(tmp_path):
    """The head chose it by its own monitor, which can differ from that of fine_tune."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(3, kernel_initializer="identity")(inputs))
    rows, targets = pd.DataFrame({"path": list("abcdef")}), np.tile(np.arange(3, dtype=np.int32), 2)[:, None]
    batches = Batches(rows, np.eye(3, dtype=np.float32)[targets[:, 0]].__getitem__, targets, np.ones(3, np.float32), 6)
    history = {"val_loss": [0.1, 0.2, 0.3], "val_accuracy": [0.5, 0.9, 0.5], "loss": 0.1}
    head = TrainedHead(pd.DataFrame({"phase": "head", "epoch": [1, 2, 3], **history}), 2)

    def spoil(rung, start, of_rung):
        rung.model.set_weights([-10 * values for values in rung.model.get_weights()])
        return pd.DataFrame({"phase": "fine_tune", "epoch": [start], "loss": 9.0, "val_loss": 9.0, **of_rung})

    rungs = [lambda: Rung("conv", model, batches, batches)] * 2
    fitted = climb(rungs, spoil, "multiclass", FineTuning(monitor="val_loss"), head)
    assert fitted.best_epoch == 2 and fitted.history["epoch"].tolist() == [4]


@pytest.mark.slow
def test_without_a_head_the_first_rung_is_kept(data, tmp_path):
    extracted = {"head_views": None, "fine_tune_views": "untouched", "dtype": "float32"}
    rows, summary = trained(data, tmp_path, STILL, train_head=None, extract=extracted)
    assert rows["rung"].tolist() == [1, 2] and summary.boundary == "conv_3"
    assert summary.best_epoch == 1 and summary.floor


@pytest.mark.parametrize(
    ("depths", "message"),
    [
        (DEPTHS[::-1], "unfreeze.1 trains 2 layers with weights, unfreeze.0 trains 6"),
        ((DEPTHS[0], {"from_layer": "conv_9"}), "has no layer 'conv_9'"),
    ],
)
def test_a_wrong_boundary_is_found_before_the_bank_is_filled(data, tmp_path, depths, message):
    raw, views = data
    section = candidate(backbone={**BACKBONE, "unfreeze": depths})
    with pytest.raises(TransferlineError, match=message):
        extract(raw, views, section, "multiclass", tmp_path / "bank")
    with pytest.raises(TransferlineError, match=message):
        describe_candidate(section, "multiclass", 3)


def test_the_bank_stores_the_first_boundary_and_lists_all_views_for_the_others(data, tmp_path):
    raw, views = data
    extracted = {"head_views": "untouched", "fine_tune_views": "untouched"}
    section = candidate(backbone=BACKBONE, extract=extracted)
    extract(raw, views, section, "multiclass", tmp_path / "bank")
    bank = read_bank(tmp_path / "bank")
    images, stored = bank.rows("images"), bank.rows("fine_tune")
    train = views.rows[views.rows["split"] == "train"]
    assert len(images[images["split"] == "train"]) == (train["kind"] != "flipped").sum()
    assert set(stored["kind"]) == {"untouched"} and images.index.tolist() == list(range(len(images)))
    shards = [np.load(file) for file in sorted((tmp_path / "bank").glob("features-*.npy"))]
    assert sum(map(len, shards)) == len(stored)


def test_a_standard_error_counts_the_images_of_a_group_as_dependent():
    values = np.array([1.0, 2.0, 4.0, 7.0])
    alone = standard_error(values, np.arange(4))
    assert alone == pytest.approx(values.std(ddof=1) / 2)
    twice = standard_error(np.repeat(values, 2), np.repeat(np.arange(4), 2))
    assert twice == pytest.approx(alone), "copies are no news"
    assert standard_error(np.repeat(values, 2), np.arange(8)) < 0.75 * alone
    assert standard_error(values, np.zeros(4)) == math.inf


TIMED = FineTuning.model_validate(
    {"epochs": 20, "max_megapixels": 100.0, "schedule": {"kind": "cosine", "warmup_epochs": 2}}
)


@pytest.mark.parametrize(
    ("training", "pixels", "epochs", "warmup"),
    [
        (TIMED, 1e6, 20, 2), (TIMED, 1e7, 10, 2), (TIMED, 4.9e7, 2, 1), (TIMED, 2e8, 1, 1),
        *[(SegmentationTraining(), images * 256**2, *wanted)
          for images, wanted in ((250, (30, 1)), (2_000, (7, 1)), (20_000, (1, 1)))],
    ],
)  # fmt: skip
def test_epochs_fall_with_the_number_of_pixels(training, pixels, epochs, warmup):
    found = training.within(int(pixels))
    assert (found.epochs, found.schedule.warmup_epochs) == (epochs, warmup)


@pytest.mark.parametrize(
    ("frozen", "images", "wanted"),
    [(5, 3_000, (5, 1)), (20, 3_000, (5, 4)), (5, 8_000, (1, 0)), (5, 100, (30, 5)), (0, 3_000, (5, 0)),
     (30, 3_000, (5, 5))],
)  # fmt: skip
def test_frozen_epochs_are_shortened_in_proportion_and_the_numbers_are_printed(frozen, images, wanted, capsys):
    training = SegmentationTraining(frozen_epochs=frozen)
    image = Image(size=256, color="rgb", resize="stretch")
    card = ModelCard(candidate="c", phase="train", problem="segmentation", classes=("a", "b"), image=image)
    found = shortened(training, images, card)
    assert (found.epochs, found.frozen_epochs) == wanted
    both = (("epochs", 30, wanted[0]), ("frozen_epochs", frozen, wanted[1]))
    numbers = ", ".join(f"{name} {before} → {after}" for name, before, after in both if before != after)
    said = capsys.readouterr().out
    assert said == (f"train: max_megapixels 1000 shortens the training: {numbers}\n" if numbers else "")
