"""The picture of a training: loss and metric over its epochs."""

from pathlib import Path

import pandas as pd

from transferline.params.problem_kinds import KINDS
from transferline.plots import BLUE, GREY, ORANGE, picture


def plot_curves(history: pd.DataFrame, path: Path) -> None:
    """Draws loss and metric of train and validation over the epochs, and marks the start of fine-tuning.

    Args:
        history: a row per epoch. Its columns are phase (head, fine_tune, train), epoch (from 1, counted over all
            phases), loss, val_loss, and the main metric of the kind of problem, also with the prefix val_.
        path: the PNG.
    """
    metric_of_problem = next(kind.main_metric for kind in KINDS.values() if kind.main_metric in history)
    head = history[history["phase"] == "head"]
    with picture(path, 10, 4) as figure:
        for axes, metric in zip(figure.subplots(1, 2), ("loss", metric_of_problem), strict=True):
            for column, color, name in ((metric, GREY, "train"), (f"val_{metric}", BLUE, "validation")):
                axes.plot(history["epoch"], history[column], color=color, marker=".", label=name)
            if 0 < len(head) < len(history):
                axes.axvline(head["epoch"].max() + 0.5, color=ORANGE, linestyle="--", label="fine-tuning starts")
            axes.set(xlabel="epoch", ylabel=metric.replace("_", " "))
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(alpha=0.3)
            axes.legend()
