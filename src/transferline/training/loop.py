"""The training loop of both stages: compile, fit with callbacks, keep the best epoch, write down every epoch."""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from transferline.params import Optimizer, Training
from transferline.progress import say
from transferline.training.batches import BankBatches

EpochListener = Callable[[dict[str, float | str]], None]


def make_deterministic(seed: int) -> None:
    """Makes TensorFlow give the same weights for the same seed, bit for bit, on the same machine."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def build_optimizer(optimizer: Optimizer) -> keras.Optimizer:
    """The Keras optimizer of that section of the params."""
    settings = optimizer.model_dump()
    constructor = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop, "sgd": keras.optimizers.SGD}
    return constructor[settings.pop("name")](**settings)


def compile_model(model: keras.Model, training: Training, problem: str) -> None:
    """Compiles a model that gives logits: (n, 1) for binary problems, (n, classes) for multiclass ones."""
    if problem == "binary":
        loss: Any = keras.losses.BinaryCrossentropy(from_logits=True)
        accuracy: Any = keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    # Keras's `metrics` are not weighted: accuracy stays a fraction of images, whatever the class weights
    model.compile(optimizer=build_optimizer(training.optimizer), loss=loss, metrics=[accuracy])


class _EpochRecorder(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, phase: str, first_epoch: int, epochs: int, views: int, listener: EpochListener) -> None:
        super().__init__()
        self.rows: list[dict[str, float | str]] = []
        self._phase, self._first, self._last = phase, first_epoch, first_epoch + epochs - 1
        self._views, self._listener, self._start = views, listener, 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seconds = time.perf_counter() - self._start
        figures = {name: float(logs[name]) for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
        row: dict[str, float | str] = {
            "phase": self._phase,
            "epoch": self._first + epoch,
            **figures,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "seconds": seconds,
            "images_per_second": self._views / seconds,
        }
        self.rows.append(row)
        self._listener(row)
        text = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
        say(f"{self._phase}: epoch {self._first + epoch} of {self._last}  {text}  {seconds:.1f} s")


def train(
    model: keras.Model,
    training: Training,
    data: BankBatches,
    validation: BankBatches,
    phase: str,
    first_epoch: int,
    listener: EpochListener,
) -> pd.DataFrame:
    """Fits a compiled model and leaves it with the weights of its best epoch.

    Args:
        model: compiled, in and out as `data` gives.
        training: epochs, callbacks and what "best" means.
        data: training batches.
        validation: validation batches.
        phase: `head` or `fine_tune`, for the rows.
        first_epoch: the number of the first epoch, from 1 on.
        listener: is given the row of each epoch as the epoch ends.

    Returns:
        A row per epoch: phase, epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds (of the epoch with
        its validation), images_per_second.
    """
    recorder = _EpochRecorder(phase, first_epoch, training.epochs, data.views_per_epoch, listener)
    model.fit(
        data,
        validation_data=validation,
        epochs=training.epochs,
        callbacks=[recorder, *_callbacks(training)],
        shuffle=False,  # the batches are in drawn order already
        verbose=0,
    )
    return pd.DataFrame(recorder.rows)


def _callbacks(training: Training) -> list[keras.callbacks.Callback]:
    mode = "min" if training.monitor == "val_loss" else "max"
    patience = training.early_stopping.patience if training.early_stopping else training.epochs
    callbacks = [
        keras.callbacks.EarlyStopping(
            training.monitor, patience=patience, mode=mode, restore_best_weights=True, start_from_epoch=0
        )
    ]
    if training.reduce_on_plateau:
        plateau = training.reduce_on_plateau
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                training.monitor,
                factor=plateau.factor,
                patience=plateau.patience,
                min_lr=plateau.min_learning_rate,
                mode=mode,
            )
        )
    return callbacks


def best_epoch(history: pd.DataFrame, training: Training) -> int:
    """The number of the epoch whose weights were kept (the first of equals)."""
    monitored = history[training.monitor].to_numpy()
    best = monitored.argmin() if training.monitor == "val_loss" else monitored.argmax()
    return int(history["epoch"].iloc[best])


def accuracy_and_log_loss(model: keras.Model, data: BankBatches, problem: str) -> tuple[float, float]:
    """Accuracy and mean cross-entropy in nats of a model that gives logits."""
    loss, accuracy = model.evaluate(data, verbose=0)
    return float(accuracy), float(loss)


def majority_floor(train_labels: Any, validation_labels: Any, classes: int) -> tuple[float, float]:
    """Validation accuracy and log loss of always answering with the class frequencies of train."""
    frequencies = np.bincount(train_labels, minlength=classes) / len(train_labels)
    hits = validation_labels == frequencies.argmax()
    return float(hits.mean()), float(-np.log(np.maximum(frequencies[validation_labels], 1e-12)).mean())
