"""The choice of the epoch whose weights are kept."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from transferline.errors import TransferlineError
from transferline.params import LinearTraining, Monitor, Training


def is_finite(row: Mapping[Any, Any], monitor: Monitor) -> bool:
    """Whether both losses and the monitor of an epoch are finite. If not, the training stops after that epoch."""
    return bool(np.isfinite([row["loss"], row["val_loss"], row[monitor]]).all())


def best_epoch(history: pd.DataFrame, training: Training | LinearTraining) -> int:
    """Returns the number of the epoch whose weights are kept.

    It is the best by `training.monitor` of the epochs that `is_finite` accepts; of equal ones, the first.

    Raises:
        TransferlineError: no epoch is finite.
    """
    monitor = training.monitor
    finite = history[[is_finite(row, monitor) for row in history.to_dict("records")]]
    if finite.empty:
        raise TransferlineError(_no_finite_epoch(history.iloc[0], training))
    monitored = finite[monitor].to_numpy()
    best = monitored.argmin() if monitor == "val_loss" else monitored.argmax()
    return int(finite["epoch"].iloc[best])


def _no_finite_epoch(row: "pd.Series[Any]", training: Training | LinearTraining) -> str:
    advice = "check that your own backbone, layers and weights have finite outputs"
    if isinstance(training, Training):
        rate = training.optimizer.learning_rate
        advice = f"lower optimizer.learning_rate, which is {rate:g}, set mixed_precision to none, or {advice}"
    return (
        f"{row['phase']}: the loss of the first epoch is not a finite number (loss {row['loss']:g}, val_loss "
        f"{row['val_loss']:g}), so there are no weights to keep: {advice}"
    )
