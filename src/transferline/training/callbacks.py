"""Callbacks at the end of an epoch: metrics, a line of progress, early stopping, plateaus, logs for TensorBoard."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from transferline.arrays import Array
from transferline.params import TensorBoard, Training
from transferline.progress import say
from transferline.training.batches import Batches
from transferline.training.best_epoch import best_epoch, is_finite

EpochListener = Callable[[dict[str, float | str]], None]


class ExactMetric(keras.callbacks.Callback):  # type: ignore[misc]
    """Replaces Keras's approximation of a validation metric by the exact value.

    Args:
        name: of the metric.
        metric: computes it from targets and logits.
        validation: validation batches.
    """

    def __init__(self, name: str, metric: Callable[[Array, Array], float], validation: Batches) -> None:
        super().__init__()
        self._name, self._metric, self._validation = name, metric, validation

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Predicts the validation images and computes the metric."""
        logs[f"val_{self._name}"] = self._metric(self._validation.targets, self._validation.predict(self.model))


class EpochRecorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps a row of metrics per epoch, passes it to the listener and prints it.

    Args:
        labels: the first values of each row: `phase` (head, fine_tune or train), and in a ladder those of the rung.
        metric: the name of the main metric in the logs.
        first_epoch: the number of the first epoch, counted from 1.
        epochs: the largest number of epochs.
        views: the number of views in an epoch.
        listener: is called with each row.

    Attributes:
        rows: the labels, epoch, loss, metric, val_loss, val_metric, learning_rate, seconds, images_per_second.
    """

    def __init__(
        self,
        labels: Mapping[str, float | str],
        metric: str,
        first_epoch: int,
        epochs: int,
        views: int,
        listener: EpochListener,
    ) -> None:
        super().__init__()
        self.rows: list[dict[str, float | str]] = []
        self._labels, self._first, self._last = labels, first_epoch, first_epoch + epochs - 1
        self._names = ("loss", metric, "val_loss", f"val_{metric}")
        self._views, self._listener, self._start = views, listener, 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes the time."""
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds the row of the epoch."""
        seconds = time.perf_counter() - self._start
        values = {name: float(logs[name]) for name in self._names}
        row: dict[str, float | str] = {
            **self._labels,
            "epoch": self._first + epoch,
            **values,
            "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            "seconds": seconds,
            "images_per_second": self._views / seconds,
        }
        self.rows.append(row)
        self._listener(row)
        text = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        say(f"{self._labels['phase']}: epoch {self._first + epoch} of {self._last}  {text}  {seconds:.1f} s")


class BestWeights(keras.callbacks.Callback):  # type: ignore[misc]
    """Gives the model the weights of its `best_epoch` at the end, and decides when the training ends.

    It ends at the first loss that is not finite, or when `early_stopping` says so. Keras's `EarlyStopping` cannot be
    used: it keeps the weights of a first epoch whose loss is NaN, and compares metrics in float32.

    Args:
        training: the stage's params.
        rows: the rows of an `EpochRecorder`, which must be an earlier callback.
    """

    def __init__(self, training: Training, rows: list[dict[str, float | str]]) -> None:
        super().__init__()
        self._training, self._rows = training, rows
        self._weights: list[Array] | None = None
        self._patience = training.early_stopping.patience if training.early_stopping else training.epochs

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stops within an epoch; Keras still computes the metrics of validation."""
        if not np.isfinite(logs["loss"]):
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keeps the weights of the epoch if it is the best one so far."""
        last = self._rows[-1]
        if not is_finite(last, self._training.monitor):
            self.model.stop_training = True
            return
        waited = int(last["epoch"]) - best_epoch(pd.DataFrame(self._rows), self._training)
        if not waited:
            self._weights = self.model.get_weights()
        elif waited >= self._patience:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """Sets the kept weights."""
        if self._weights is not None:
            self.model.set_weights(self._weights)


def build_callbacks(
    training: Training, rows: list[dict[str, float | str]], logs: Path
) -> list[keras.callbacks.Callback]:
    """Returns the Keras callbacks for a stage's params; at the end the model has the weights of its best epoch.

    Args:
        training: the stage's params.
        rows: the rows of an `EpochRecorder`, which must be an earlier callback.
        logs: the folder for TensorBoard.
    """
    callbacks = [BestWeights(training, rows)]
    if plateau := training.reduce_on_plateau:
        watched = {"monitor": training.monitor, "mode": "min" if training.monitor == "val_loss" else "max"}
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                **watched, factor=plateau.factor, patience=plateau.patience, min_lr=plateau.min_learning_rate
            )
        )
    if training.tensorboard:
        histograms = isinstance(training.tensorboard, TensorBoard) and training.tensorboard.histograms
        callbacks.append(keras.callbacks.TensorBoard(logs, histogram_freq=int(histograms), write_graph=False))
    return callbacks
