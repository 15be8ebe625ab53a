"""One training of any phase: fit, keep the best epoch, decide on validation, write the model's folder."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from transferline.arrays import Pixels
from transferline.models.convert import convert
from transferline.models.exported import ModelCard
from transferline.params import FineTuning, LinearTraining, SegmentationTraining, Thresholds, TimedTraining, Training
from transferline.params.problem_kinds import KINDS
from transferline.problems.training import label_training_of, training_of
from transferline.progress import say
from transferline.training.assemble_model import Exported, with_temperature
from transferline.training.batches import Batches, Read, class_weight_vector, reading
from transferline.training.best_epoch import best_epoch, is_finite
from transferline.training.callbacks import EpochListener, EpochRecorder, ExactMetric, build_callbacks
from transferline.training.compiled_epochs import SeveralBatches
from transferline.training.decision_rules import decide_on_validation
from transferline.training.devices import Replicated
from transferline.training.ladder import Fitted, OfRung, Rung, TrainedHead, climb, count_trainable
from transferline.training.linear_head import fit_linear
from transferline.training.mask_targets import with_dice
from transferline.training.model_folder import Summary, write_result
from transferline.training.optimizers import build_optimizer
from transferline.training.shortened_training import shortened

LOGS = Path("logs")
VALIDATION_BATCH = 64
Finish = Callable[[Fitted, ModelCard], ModelCard]
BYTES_AT_ONCE = 32_000_000  # the most bytes of inputs in one item of training data


@dataclass(frozen=True)
class Job:
    """The settings of a training, without the model and the data.

    Attributes:
        training: how to train.
        thresholds: how thresholds and the limit on confidence are chosen; None if every image gets its most probable
            class.
        card: the card of the model.
        seed: of the initial weights, the order, the views and the dropout.
        folder: for the model.
        listener: is called with the row of each epoch.
    """

    training: Training | LinearTraining
    thresholds: Thresholds | None
    card: ModelCard
    seed: int
    folder: Path
    listener: EpochListener


def make_deterministic(seed: int) -> None:
    """Makes TensorFlow compute the same weights from the same seed, bit for bit, on the same machine."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def make_batches(
    job: Job,
    train: pd.DataFrame,
    validation: pd.DataFrame,
    read: Read,
    one_view_per_image: bool,
    views_at_once: int = 0,
) -> tuple[Batches, Batches]:
    """Returns the batches of training, shuffled and weighted, and of validation; see `Batches` for the arguments."""
    kind, classes = label_training_of(job.card.problem), job.card.classes
    truths = [kind.targets(rows["label"], classes) for rows in (train, validation)]
    weights = class_weight_vector(job.training, kind.class_counts(truths[0], len(classes)), classes)
    size = job.training.batch_size if isinstance(job.training, Training) else VALIDATION_BATCH
    views_at_once = 0 if tf.distribute.has_strategy() else views_at_once
    return (
        Batches(train, read, truths[0], weights, size, job.seed, one_view_per_image, views_at_once),
        Batches(validation, read, truths[1], np.ones_like(weights), VALIDATION_BATCH, views_at_once=views_at_once),
    )


def run_job(
    job: Job,
    model: keras.Model,
    exported: Exported,
    data: Batches,
    validation: Batches,
    samples: Pixels,
    before: TrainedHead | None = None,
    encoder: keras.Model | None = None,
    rungs: Sequence[Callable[[], Rung]] = (),
    finish: Finish = lambda fitted, card: card,
) -> Summary:
    """Trains a model and writes its folder.

    Args:
        job: how to train, and the folder to write.
        model: takes the inputs of `data` and returns logits.
        exported: the whole model, which shares the weights of `model`.
        data, validation: batches of training and of validation.
        samples: images for `write_result`.
        before: the training that this one continues; without one, the floor is measured.
        encoder: the part of a segmentation network that is frozen in the first `frozen_epochs`.
        rungs: the depths of fine-tuning, see `climb`; the first has `model`, `data` and `validation`.
        finish: may change the weights when validation has decided everything, and returns the card.

    Raises:
        TransferlineError: no epoch has a finite loss.
    """
    convert(exported.outputs, f"{job.card.candidate} {job.card.phase}")  # fails now and not after the last epoch
    if isinstance(job.training, Training) and job.training.tensorboard:
        shutil.rmtree(LOGS / job.card.candidate / job.card.phase, ignore_errors=True)
    floor = _floor(model, job, data, validation) if before is None else {}
    if rungs:
        fitted = climb(rungs, partial(_fit_rung, job), job.card.problem, job.training, before)
    else:
        fitted = _fit_one(model, encoder, job, data, validation)
    history, best = fitted.history, fitted.best_epoch
    if not is_finite(last := history.iloc[-1].to_dict(), job.training.monitor):
        say(f"{last['phase']}: epoch {last['epoch']} has no finite loss: training stopped, epoch {best} is kept")
    card = finish(fitted, decide_on_validation(job.card, job.thresholds, fitted.model, fitted.validation))
    exported = with_temperature(exported, card.temperature, card.problem)
    seconds = float(history["seconds"].sum())
    summary = Summary(best, seconds, exported.model.count_params(), fitted.trainable, floor, fitted.boundary)
    curves = pd.concat([before.history, history]) if before else history
    write_result(job.folder, exported, card, history, curves, summary, samples)
    return summary


def _fit_one(model: keras.Model, encoder: Any, job: Job, data: Batches, validation: Batches) -> Fitted:
    """Fits a model in the way of its section of the params; at the end it has the weights of its best epoch."""
    training, model = job.training, _to_compile(model, data)
    if isinstance(training, TimedTraining):
        training = shortened(training, data.views_per_epoch, job.card)
    if isinstance(training, LinearTraining):
        history = fit_linear(model, training, job.card.problem, data, validation, job.listener)
    elif isinstance(training, SegmentationTraining):
        history = _fit_in_parts(model, encoder, training, job, data, validation)
    else:
        history = _fit(model, training, job, data, validation, 1)
    trainable = count_trainable(model)
    return Fitted(history, best_epoch(history, training), model, validation, trainable)


def _fit_rung(job: Job, rung: Rung, first_epoch: int, of_rung: OfRung) -> pd.DataFrame:
    """Fits a rung; see `climb`."""
    assert isinstance(job.training, FineTuning)
    training = shortened(job.training, rung.data.views_per_epoch, job.card)
    model = _to_compile(rung.model, rung.data)
    return _fit(model, training, job, rung.data, rung.validation, first_epoch, str(of_rung["rung"]), of_rung)


def _to_compile(model: keras.Model, data: Batches) -> keras.Model:
    """Returns another model with the same layers, so that compiling it does not change the exported model."""
    if tf.distribute.has_strategy():
        return Replicated(model.input, model.output)
    if data.views_per_item > data.batch_size:
        several = SeveralBatches(model.input, model.output)
        several.batch_size = data.batch_size
        return several
    return keras.Model(model.input, model.output)


def _compile(model: keras.Model, training: Training, card: ModelCard, steps: int) -> None:
    """Compiles a model for epochs of `steps` batches."""
    kind = training_of(card.problem)
    loss = kind.loss(training.loss)
    # Keras does not weight `metrics`: accuracy stays a share of images, also with class weights
    model.compile(
        optimizer=build_optimizer(training, steps),
        loss=with_dice(loss, training.dice) if isinstance(training, SegmentationTraining) else loss,
        metrics=[kind.keras_metric(KINDS[card.problem].main_metric, len(card.classes))],
    )
    model.optimizer.build(model.trainable_variables)  # else the first step creates its variables and is traced twice


def _floor(model: keras.Model, job: Job, data: Batches, validation: Batches) -> dict[str, float]:
    found = training_of(job.card.problem).floor(model, data, validation, len(job.card.classes))
    say("floor on validation: " + ", ".join(f"{name} {value:.4f}" for name, value in found.items()))
    return found


def _fit(
    model: keras.Model,
    training: Training,
    job: Job,
    data: Batches,
    validation: Batches,
    first_epoch: int,
    part: str = "",
    of_rung: OfRung | None = None,
) -> pd.DataFrame:
    """Fits a model epoch by epoch; at the end it has the weights of its best epoch.

    The logs for TensorBoard are in the folder `part`, since each part counts its epochs from 0.

    Returns:
        A row per epoch: phase, epoch, loss, the main metric, the same two on validation with the prefix val_,
        learning_rate (at the end of the epoch), seconds (with validation), images_per_second, and `of_rung`.
    """
    card, metric = job.card, KINDS[job.card.problem].main_metric
    _compile(model, training, card, data.batches_per_epoch)
    labels = {"phase": card.phase, **(of_rung or {})}
    recorder = EpochRecorder(labels, metric, first_epoch, training.epochs, data.views_per_epoch, job.listener)
    logs = LOGS / card.candidate / card.phase / part
    exact = [ExactMetric(metric, found, validation)] if (found := training_of(card.problem).exact_metric) else []
    with reading(data, validation):
        model.fit(
            data.dataset(first_epoch, training.epochs),
            steps_per_epoch=len(data),
            validation_data=validation.dataset(),
            validation_steps=len(validation),
            epochs=training.epochs,
            callbacks=[*exact, recorder, *build_callbacks(training, recorder.rows, logs)],
            shuffle=False,  # the batches are shuffled already
            verbose=0,
        )
    return pd.DataFrame(recorder.rows)


def _fit_in_parts(
    model: keras.Model,
    encoder: Any,
    training: SegmentationTraining,
    job: Job,
    data: Batches,
    validation: Batches,
) -> pd.DataFrame:
    """Fits a model with its encoder frozen, then as a whole; at the end it has the weights of its best epoch."""
    parts: list[pd.DataFrame] = []
    for epochs, part in ((training.frozen_epochs, "frozen"), (training.epochs - training.frozen_epochs, "whole")):
        if not epochs:
            continue
        encoder.trainable, kept = part == "whole", model.get_weights()
        first_epoch = 1 + sum(map(len, parts))
        parts.append(_fit(model, training.with_epochs(epochs), job, data, validation, first_epoch, part))
        whole = pd.concat(parts, ignore_index=True)
        if best_epoch(whole, training) < first_epoch:
            model.set_weights(kept)
        if not is_finite(whole.iloc[-1].to_dict(), training.monitor):
            break
    return pd.concat(parts, ignore_index=True)
