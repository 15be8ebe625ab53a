"""The picture of a training: loss and metric over its epochs."""

from pathlib import Path

import pandas as pd

from transferline.params.problem_kinds import KINDS
from transferline.plots import BLUE, GREY, ORANGE, picture


def plot_curves(history: pd.DataFrame, path: Path) -> None:
    """Draws loss and metric of train and validation over the epochs, and marks where a rung of fine-tuning starts.

    Args:
        history: a row per epoch. Its columns are phase (head, fine_tune, train), epoch (from 1, counted over all
            phases), rung (only in fine_tune, from 1), loss, val_loss, and the main metric of the kind of problem,
            also with the prefix val_.
        path: the PNG.
    """
    metric_of_problem = next(kind.main_metric for kind in KINDS.values() if kind.main_metric in history)
    starts = history.groupby([name for name in ("phase", "rung") if name in history], dropna=False)["epoch"].min()
    with picture(path, 10, 4) as figure:
        for axes, metric in zip(figure.subplots(1, 2), ("loss", metric_of_problem), strict=True):
            for column, color, name in ((metric, GREY, "train"), (f"val_{metric}", BLUE, "validation")):
                axes.plot(history["epoch"], history[column], color=color, marker=".", label=name)
            for number, epoch in enumerate(starts[1:], 1):
                axes.axvline(epoch - 0.5, color=ORANGE, linestyle="--", label="_" * (number - 1) + "fine-tuning starts")
            axes.set(xlabel="epoch", ylabel=metric.replace("_", " "))
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(alpha=0.3)
            axes.legend()
