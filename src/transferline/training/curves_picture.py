"""The picture of a training: loss and metric over its epochs."""

from pathlib import Path
from typing import Any

import pandas as pd

from transferline.params.problem_kinds import KINDS
from transferline.plots import BLUE, GREY, ORANGE, picture

STRENGTH = "L-BFGS strength of the penalty"
UNITS = {"loss": "loss in nats", "accuracy": "accuracy (share of images)"}


def plot_curves(history: pd.DataFrame, path: Path, candidate: str, kept: int) -> None:
    """Draws loss and metric of train and validation over the epochs, and marks where a rung of fine-tuning starts.

    A head that L-BFGS trains has no epochs: its curves are over the strengths of the penalty.

    Args:
        history: a row per epoch, or per strength with the column `l2` (see `fit_linear`). Its columns are phase (head,
            fine_tune, train), epoch (from 1, counted over all phases), rung (only in fine_tune, from 1), loss,
            val_loss, and the main metric of the kind of problem, also with the prefix val_.
        path: the PNG.
        candidate: its name, for the title.
        kept: the epoch whose weights are kept.
    """
    metric_of_problem = next(kind.main_metric for kind in KINDS.values() if kind.main_metric in history)
    parts = history.groupby([name for name in ("phase", "rung") if name in history], dropna=False)
    starts = parts["epoch"].min().sort_values()
    with picture(path, 10, 4.2) as figure:
        phases = " and ".join(str(phase).replace("_", " ") for phase in history["phase"].unique())
        figure.suptitle(f"{candidate}: training of {phases}")
        for axes, metric in zip(figure.subplots(1, 2), ("loss", metric_of_problem), strict=True):
            for column, color, name in ((metric, GREY, "train"), (f"val_{metric}", BLUE, "validation")):
                axes.plot(history["epoch"], history[column], color=color, marker=".", label=name)
            of_kept = history[history["epoch"] == kept]
            axes.plot(of_kept["epoch"], of_kept[f"val_{metric}"], "o", color=BLUE, markersize=9, label="kept")
            for number, epoch in enumerate(starts[1:], 1):
                axes.axvline(epoch - 0.5, color=ORANGE, linestyle="--", label="_" * (number - 1) + "fine-tuning starts")
            axes.set_ylabel(UNITS.get(metric, metric.replace("_", " ")))
            _label_epochs(axes, history)
            axes.grid(alpha=0.3)
            axes.legend()


def _label_epochs(axes: Any, history: pd.DataFrame) -> None:
    if "l2" not in history:
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        return
    has_epochs = history["l2"].isna()
    strengths = history["l2"].map("{:g}".format)
    names = strengths.mask(has_epochs, history["epoch"].astype(str)).tolist()
    axes.set_xticks(history["epoch"], names)
    axes.set_xlabel(f"{STRENGTH}, then epoch" if has_epochs.any() else STRENGTH)
