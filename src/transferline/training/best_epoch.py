"""Which epoch's weights are kept."""

import pandas as pd

from transferline.params import Monitor


def best_epoch(history: pd.DataFrame, monitor: Monitor) -> int:
    """The number of the epoch whose weights are kept: the best by `monitor`, the first of equals."""
    monitored = history[monitor].to_numpy()
    best = monitored.argmin() if monitor == "val_loss" else monitored.argmax()
    return int(history["epoch"].iloc[best])
