"""The choice of the epoch whose weights are kept."""

import pandas as pd

from transferline.params import Monitor


def best_epoch(history: pd.DataFrame, monitor: Monitor) -> int:
    """Returns the number of the epoch whose weights are kept: the best by `monitor`; of equal ones, the first."""
    monitored = history[monitor].to_numpy()
    best = monitored.argmin() if monitor == "val_loss" else monitored.argmax()
    return int(history["epoch"].iloc[best])
