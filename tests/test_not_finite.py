"""Trainings whose loss becomes NaN or infinite: they stop, and keep the best finite epoch or fail."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from tests.tiny_training import TRAINING, network
from transferline.errors import TransferlineError
from transferline.models.exported import ModelCard, load_model
from transferline.models.layers import build_layers
from transferline.params import FineTuning, Image, LinearTraining, SegmentationTraining, Thresholds, Training
from transferline.training.assemble_model import Exported, assemble_network
from transferline.training.batches import Batches
from transferline.training.best_epoch import best_epoch
from transferline.training.ladder import Rung, TrainedHead
from transferline.training.mask_targets import MaskBatches
from transferline.training.training_job import Job, make_deterministic, run_job

CLASSES = ("a", "b", "c")
SIDE = 32
IMAGE = Image(size=SIDE, color="rgb", resize="stretch")
FLAT = network(layers=({"kind": "flatten"},)).layers
MONITORS = {"binary": "val_accuracy", "multiclass": "val_accuracy", "multilabel": "val_mean_average_precision"}


class Damaged(Batches):
    """Batches whose inputs are multiplied by `factor` from the epoch `since` on; of validation, from that call on."""

    since, factor, calls = 99, np.float32(np.nan), 0

    def items(self, epoch: int = 1) -> Any:
        self.calls += 1
        is_bad = max(epoch, self.calls) >= self.since
        for inputs, targets, weights in super().items(epoch):
            yield inputs * self.factor if is_bad else inputs, targets, weights


class DamagedMasks(Damaged, MaskBatches):
    """The same with masks."""


def params_of(kind: Any = Training, **changes: Any) -> Any:
    return kind.model_validate({**TRAINING, "epochs": 5, "batch_size": 8, "early_stopping": None, **changes})


def batches_of(problem: str, count: int, seed: int | None, since: int = 99) -> Batches:
    random = np.random.default_rng(count)
    truth = random.integers(0, 2 if problem == "binary" else 3, (count, 1)).astype(np.int32)
    inputs = (random.random((count, SIDE, SIDE, 3)) * 0.4 + 0.3 * truth[..., None, None]).astype(np.float32)
    targets = np.eye(3, dtype=np.float32)[truth[:, 0]] if problem == "multilabel" else truth
    rows = pd.DataFrame({"path": [str(number) for number in range(count)]})
    batches = Damaged(rows, inputs.__getitem__, targets, np.ones(3, np.float32), 8, seed)
    batches.since = since
    return batches


def card_of(problem: Any, phase: Any = "train") -> ModelCard:
    return ModelCard(
        candidate="c",
        phase=phase,
        problem=problem,
        classes=CLASSES[:2] if problem == "binary" else CLASSES,
        image=IMAGE,
    )


def run(
    training: Any, problem: str, folder: Path, train: Batches, validation: Batches, before: TrainedHead | None = None
) -> tuple[Any, pd.DataFrame, keras.Model]:
    make_deterministic(7)
    layers = build_layers((SIDE, SIDE, 3), FLAT, problem, 3)
    model = keras.Model(layers.input, layers.output)
    thresholds = Thresholds(kind="per_class", argmax_fallback=True) if problem == "multilabel" else None
    rows: list[Any] = []
    job = Job(training, thresholds, card_of(problem, "head" if before is None else "fine_tune"), 7, folder, rows.append)
    exported = assemble_network(layers, IMAGE, problem)
    samples = np.zeros((2, SIDE, SIDE, 3), np.uint8)
    rungs = [] if before is None else [lambda: Rung("conv", model, train, validation)]
    summary = run_job(job, model, exported, train, validation, samples, before, rungs=rungs)
    return summary, pd.DataFrame(rows), layers


def is_usable(folder: Path) -> bool:
    """Whether the exported model has finite weights."""
    return bool(np.isfinite(load_model(folder).probabilities(np.full((2, SIDE, SIDE, 3), 99, np.uint8))).all())


@pytest.mark.slow
@pytest.mark.parametrize("factor", [np.nan, np.inf])
@pytest.mark.parametrize("problem", ["binary", "multiclass", "multilabel"])
def test_a_training_stops_at_the_first_loss_that_is_not_finite(
    problem: str, factor: float, tmp_path: Path, capsys: Any
) -> None:
    train = batches_of(problem, 30, 7, since=3)
    train.factor = np.float32(factor)
    before = pd.DataFrame({"phase": ["head"], "epoch": [1], "loss": [1.0], "val_loss": [1.0]})
    before[["accuracy", "val_accuracy", "mean_average_precision", "val_mean_average_precision"]] = 0.5
    training = params_of(FineTuning, monitor=MONITORS[problem])
    train.since += 1  # a fine-tuning: its epochs begin with 2
    summary, rows, layers = run(
        training, problem, tmp_path, train, batches_of(problem, 12, None), TrainedHead(before, 1)
    )
    assert not np.isfinite(rows["loss"].iloc[-1]) and np.isfinite(rows["loss"].iloc[:-1]).all() and len(rows) == 3
    kept = rows.set_index("epoch").loc[summary.best_epoch]
    assert kept[training.monitor] == rows[training.monitor].iloc[:-1].max()
    assert all(np.isfinite(weight).all() for weight in layers.get_weights()) and is_usable(tmp_path)
    printed = capsys.readouterr()
    assert f"epoch 4 has no finite loss: training stopped, epoch {summary.best_epoch} is kept" in (
        printed.out + printed.err
    )


@pytest.mark.slow
def test_the_kept_weights_are_those_of_the_epoch_that_is_reported(tmp_path: Path) -> None:
    validation = batches_of("multiclass", 12, None, since=5)  # the floor is the first of the calls
    summary, rows, layers = run(params_of(), "multiclass", tmp_path, batches_of("multiclass", 30, 7), validation)
    assert rows["val_loss"].isna().tolist()[-1] and rows["loss"].notna().all(), "only the loss of validation is NaN"
    whole = batches_of("multiclass", 12, None)
    logits = np.concatenate([np.asarray(layers(inputs)) for inputs, _, _ in whole.items()])
    loss = float(np.mean(keras.losses.sparse_categorical_crossentropy(whole.targets[:, 0], logits, from_logits=True)))
    assert loss == pytest.approx(rows.set_index("epoch")["val_loss"][summary.best_epoch], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("kind", [Training, LinearTraining])
def test_a_training_without_a_finite_loss_fails_and_says_what_to_do(kind: Any, problem: str, tmp_path: Path) -> None:
    lbfgs = LinearTraining(optimizer={"name": "lbfgs", "l2": (1.0, 0.1)})
    training, advice = (params_of(), "lower optimizer.learning_rate") if kind is Training else (lbfgs, "finite outputs")
    with pytest.raises(TransferlineError, match=f"^head: the loss of the first epoch is not a finite .*{advice}"):
        run(training, problem, tmp_path, batches_of(problem, 30, 7, since=1), batches_of(problem, 12, None))
    assert not list(tmp_path.iterdir())
    with pytest.raises(TransferlineError, match="val_loss nan"):
        run(training, problem, tmp_path, batches_of(problem, 30, 7), batches_of(problem, 12, None, since=1))


@pytest.mark.slow
def test_a_linear_head_keeps_the_last_strength_with_a_finite_loss(tmp_path: Path, capsys: Any) -> None:
    training = LinearTraining(optimizer={"name": "lbfgs", "l2": (1e45, 1.0, 0.1)}, monitor="val_accuracy")
    validation = batches_of("multiclass", 12, None, since=1)
    validation.factor = np.float32(3e38)  # weights of a weak penalty give logits beyond float32
    summary, rows, _ = run(training, "multiclass", tmp_path, batches_of("multiclass", 30, 7), validation)
    assert rows["l2"].tolist() == [1e45, 1.0] and not np.isfinite(rows["val_loss"].iloc[1])
    assert summary.best_epoch == 1 and is_usable(tmp_path)
    printed = capsys.readouterr()
    assert "epoch 2 has no finite loss: training stopped, epoch 1 is kept" in printed.out + printed.err


def segment(training: SegmentationTraining, folder: Path, since: int) -> tuple[Any, pd.DataFrame, keras.Model]:
    make_deterministic(7)
    encoder = keras.Sequential([keras.Input((SIDE, SIDE, 3)), keras.layers.Conv2D(4, 3, padding="same")])
    decoder = keras.Sequential([encoder, keras.layers.Conv2D(3, 1)])
    pixels = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    likely = keras.layers.Softmax(name="probabilities")(decoder(keras.layers.Rescaling(1 / 255)(pixels)))
    exported = keras.Model(pixels, likely)
    masks = np.random.default_rng(7).integers(0, 3, (20, SIDE, SIDE, 1)).astype(np.uint8)
    images, found, rows = (masks * 100).repeat(3, axis=3).astype(np.float32) / 255, [], pd.DataFrame()
    rows["path"] = [str(number) for number in range(20)]
    batches = [
        DamagedMasks(part, lambda at: (images[at], masks[at]), np.ones(3), np.ones(3), 4, seed)
        for part, seed in ((rows[:14], 7), (rows[14:], None))
    ]
    batches[0].since = since
    job = Job(training, None, card_of("segmentation"), 7, folder, found.append)
    samples = np.zeros((2, SIDE, SIDE, 3), np.uint8)
    summary = run_job(job, decoder, Exported(exported, exported), *batches, samples, encoder=encoder)
    return summary, pd.DataFrame(found), decoder


@pytest.mark.slow
@pytest.mark.parametrize(("since", "epochs"), [(2, [1, 2]), (3, [1, 2, 3]), (5, [1, 2, 3, 4, 5])])
def test_a_segmentation_stops_in_its_first_or_second_part(since: int, epochs: list[int], tmp_path: Path) -> None:
    training = params_of(SegmentationTraining, epochs=6, frozen_epochs=2, monitor="val_mean_iou", views="untouched")
    summary, rows, model = segment(training, tmp_path, since)
    assert rows["epoch"].tolist() == epochs and rows["loss"].isna().tolist() == [False] * (len(epochs) - 1) + [True]
    assert summary.best_epoch in epochs[:-1]
    assert all(np.isfinite(weight).all() for weight in model.get_weights()) and is_usable(tmp_path)


@pytest.mark.slow
def test_both_parts_of_a_segmentation_have_logs_and_those_of_an_earlier_training_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs" / "c" / "train" / "2").mkdir(parents=True)
    training = params_of(SegmentationTraining, epochs=2, frozen_epochs=1, views="untouched", tensorboard=True)
    segment(training, tmp_path / "model", since=9)
    assert {file.parent.relative_to(tmp_path).as_posix() for file in (tmp_path / "logs").rglob("*.v2")} == {
        f"logs/c/train/{part}/{split}" for part in ("frozen", "whole") for split in ("train", "validation")
    }
    assert not (tmp_path / "logs" / "c" / "train" / "2").exists()


@pytest.mark.slow
def test_a_segmentation_without_a_finite_loss_fails(tmp_path: Path) -> None:
    training = params_of(SegmentationTraining, epochs=6, frozen_epochs=2, views="untouched")
    with pytest.raises(TransferlineError, match=r"train: .*lower optimizer.learning_rate, which is 0.001"):
        segment(training, tmp_path, 1)


@pytest.mark.parametrize(
    ("monitor", "values", "losses", "best"),
    [
        ("val_loss", [np.nan, 2.0, 1.0], [1.0, 1.0, 1.0], 3),
        ("val_loss", [-np.inf, 2.0, 1.0], [1.0, 1.0, 1.0], 3),
        ("val_accuracy", [0.2, 0.3, 0.9], [1.0, 1.0, np.nan], 2),
        ("val_accuracy", [0.2, 0.2, np.inf], [1.0, 1.0, 1.0], 1),
    ],
)
def test_only_epochs_with_finite_numbers_are_compared(
    monitor: Any, values: list[float], losses: list[float], best: int
) -> None:
    history = pd.DataFrame({"phase": "train", "epoch": [1, 2, 3], "loss": losses, "val_loss": 1.0, monitor: values})
    assert best_epoch(history, params_of(monitor=monitor)) == best
