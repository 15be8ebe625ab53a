"""The two trainings, on tiny images of three colours."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import COLORS, make_images
from transferline.data.tables import ImageTable
from transferline.data.views import draw_views
from transferline.errors import TransferlineError
from transferline.models.exported import ModelCard, class_probabilities, load_model
from transferline.params import Augment, Pretrained, load_params
from transferline.training.bank import read_bank
from transferline.training.batches import class_weight_vector
from transferline.training.extract import extract
from transferline.training.fine_tune import fine_tune
from transferline.training.train_head import train_head

DIGITS = load_params(Path(__file__).parents[1] / "recipes" / "digits.yaml")
TRAINING = {**DIGITS.candidates["lite0_plain"].train_head.model_dump(), "epochs": 3, "batch_size": 16}


def candidate(**changes: object) -> Pretrained:
    settings = {
        "kind": "pretrained",
        "image": {"size": 32, "color": "rgb", "resize": "stretch"},
        "backbone": {"name": "efficientnet_lite0", "weights": "imagenet", "pooling": "avg", "unfreeze": {"last": 6}},
        "extract": {"head_views": "flipped", "fine_tune_views": "augmented", "dtype": "float16"},
        "head": {"hidden": (8,), "dropout": 0.2},
        "train_head": TRAINING,
        "fine_tune": TRAINING,
        **changes,
    }
    return Pretrained.model_validate(settings)


def make_data(raw: Path) -> tuple[Path, ImageTable]:
    """Images of three colours, and the table of their views."""
    make_images(raw)
    rows = pd.DataFrame(
        [
            {"path": f"{name}/{number}.png", "label": label, "sha256": f"{name}{number}", "kept": True,
             "split": "validation" if number < 8 else "test" if number < 12 else "train"}
            for label, name in enumerate(COLORS)
            for number in range(40)
        ]
    )  # fmt: skip
    augment = Augment.model_validate({**DIGITS.augment.model_dump(), "horizontal_flip": True, "views": 1})
    names = np.array(list(COLORS))
    manifest = ImageTable(rows.assign(label=names[rows["label"]]), tuple(COLORS))
    return raw, draw_views(manifest, augment)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ImageTable]:
    return make_data(tmp_path_factory.mktemp("raw"))


def card(phase: str = "head", problem: str = "multiclass", classes: tuple[str, ...] = tuple(COLORS)) -> ModelCard:
    return ModelCard(candidate="c", phase=phase, problem=problem, classes=classes, image=candidate().image)


def test_training_learns_counts_epochs_on_and_exports_a_model_that_reloads(data, tmp_path):
    raw, views = data
    extract(raw, views, candidate(), tmp_path / "bank")
    bank, rows = read_bank(tmp_path / "bank"), []
    head = train_head(bank, candidate(), card(), 7, tmp_path / "head", rows.append)
    tuned = fine_tune(
        bank,
        candidate(),
        candidate().fine_tune,
        card("fine_tune"),
        7,
        tmp_path / "head",
        tmp_path / "tuned",
        rows.append,
    )
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["phase"] for row in rows] == ["head"] * 3 + ["fine_tune"] * 3
    assert rows[2]["val_loss"] < head.floor["untrained_log_loss"]
    assert head.floor["majority_accuracy"] == pytest.approx(1 / 3)
    assert head.trainable < tuned.trainable < tuned.parameters == head.parameters
    for folder, summary in ((tmp_path / "head", head), (tmp_path / "tuned", tuned)):
        history = pd.read_csv(folder / "history.csv")
        assert history.set_index("epoch")["val_loss"].idxmin() == summary.best_epoch
        with np.load(folder / "parity.npz") as parity:
            reloaded = class_probabilities(load_model(folder), parity["images"])
            np.testing.assert_allclose(reloaded, parity["probabilities"], atol=1e-5)
            assert parity["images"].dtype == np.uint8


def test_fine_tuning_trains_scales_and_offsets_but_keeps_the_statistics_of_batch_normalisation(data, tmp_path):
    raw, views = data
    extract(raw, views, candidate(), tmp_path / "bank")
    bank, folders = read_bank(tmp_path / "bank"), (tmp_path / "head", tmp_path / "tuned")
    train_head(bank, candidate(), card(), 7, folders[0], lambda row: None)
    fine_tune(bank, candidate(), candidate().fine_tune, card("fine_tune"), 7, *folders, lambda row: None)
    before, after = ({w.path: w.numpy() for w in load_model(folder).weights} for folder in folders)
    changed = {path for path in before if not np.array_equal(before[path], after[path])}
    assert not any("moving" in path for path in changed)
    assert any(path.endswith("top_bn/gamma") for path in changed)
    assert any(path.endswith("top_conv/kernel") for path in changed)
    assert not any("block5" in path for path in changed)


def test_the_kept_weights_are_those_of_the_best_epoch(data, tmp_path):
    raw, views = data
    extract(raw, views, candidate(fine_tune=None, backbone=_frozen()), tmp_path / "bank")
    wild = {**TRAINING, "epochs": 6, "optimizer": {"name": "sgd", "learning_rate": 30.0}, "early_stopping": None}
    bank = read_bank(tmp_path / "bank")
    train_head(bank, candidate(train_head=wild), card(), 7, tmp_path / "head", lambda row: None)
    history = pd.read_csv(tmp_path / "head" / "history.csv")
    rows = bank.rows("head", "validation")
    import keras

    head = keras.saving.load_model(tmp_path / "head" / "head.keras", compile=False)
    logits = np.asarray(head(bank.gather("features", rows.index.to_numpy())))
    accuracy = (logits.argmax(axis=1) == rows["label"]).mean()
    assert accuracy == pytest.approx(history["val_accuracy"][history["val_loss"].idxmin()])
    assert history["val_loss"].iloc[-1] > history["val_loss"].min()


def _frozen() -> dict[str, object]:
    return {"name": "efficientnet_lite0", "weights": "imagenet", "pooling": "avg", "unfreeze": None}


def test_a_binary_head_has_one_logit(data, tmp_path):
    raw, views = data
    two = ImageTable(views.rows[views.rows["label"] < 2].reset_index(drop=True), views.classes[:2])
    plain = candidate(fine_tune=None, backbone=_frozen(), head={"hidden": (), "dropout": 0.0})
    extract(raw, two, plain, tmp_path / "bank")
    summary = train_head(
        read_bank(tmp_path / "bank"), plain, card("head", "binary", two.classes), 7, tmp_path / "head", lambda row: None
    )
    assert summary.trainable == 1280 + 1
    with np.load(tmp_path / "head" / "parity.npz") as parity:
        assert parity["probabilities"].shape == (16, 2)
        np.testing.assert_allclose(parity["probabilities"].sum(axis=1), 1, atol=1e-6)


def test_class_weights_are_balanced_or_given_and_a_wrong_name_is_an_error():
    labels = np.array([0, 0, 0, 1], np.int32)
    training = candidate().train_head
    balanced = class_weight_vector(training.model_copy(update={"class_weights": "balanced"}), labels, ("a", "b"))
    np.testing.assert_allclose(balanced, [4 / 6, 4 / 2])
    given = class_weight_vector(training.model_copy(update={"class_weights": {"b": 3.0, "a": 1.0}}), labels, ("a", "b"))
    assert given.tolist() == [1.0, 3.0]
    with pytest.raises(TransferlineError, match="names a, c; it must name each class: a, b"):
        class_weight_vector(training.model_copy(update={"class_weights": {"a": 1.0, "c": 1.0}}), labels, ("a", "b"))


TWICE = """
import sys
from pathlib import Path
from tests.test_training import candidate, card
from transferline.training.bank import read_bank
from transferline.training.fine_tune import fine_tune
from transferline.training.train_head import train_head
folder = Path(sys.argv[1])
bank = read_bank(folder.parent / "bank")
train_head(bank, candidate(), card(), 7, folder / "head", lambda row: None)
fine_tune(bank, candidate(), candidate().fine_tune, card("fine_tune"), 7, folder / "head", folder / "tuned",
          lambda row: None)
"""


@pytest.mark.slow
def test_the_same_params_give_the_same_weights_bit_for_bit_in_fresh_processes(data, tmp_path):
    raw, views = data
    extract(raw, views, candidate(), tmp_path / "bank")
    weights = []
    for name in ("first", "second"):
        subprocess.run([sys.executable, "-c", TWICE, tmp_path / name], check=True, cwd=Path(__file__).parents[1])
        model = load_model(tmp_path / name / "tuned")
        weights.append([weight.numpy().tobytes() for weight in model.weights])
    assert weights[0] == weights[1]
    losses = [json.loads((tmp_path / name / "tuned" / "summary.json").read_text()) for name in ("first", "second")]
    assert losses[0]["best_epoch"] == losses[1]["best_epoch"]
