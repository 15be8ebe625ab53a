"""Pictures of a decision: the interval of the gain, the change of each class, images with changed predictions."""

from pathlib import Path

import numpy as np

from transferline.arrays import Positions
from transferline.datasets.contact_sheet import Tile, contact_sheet
from transferline.plots import BLUE, GREY, ORANGE, picture
from transferline.registry.model_comparison import Comparison, Gain, Scored

COLUMNS = 8


def plot_gain(gain: Gain, metric: str, least: float, path: Path) -> None:
    """Draws the gain with its interval, a line at 0, and a line at the least gain that is required."""
    with picture(path, 8, 1.7) as figure:
        axes = figure.subplots()
        axes.axvline(0, color=GREY, linewidth=1)
        if least:
            axes.axvline(least, color=ORANGE, linestyle="--", label=f"min_improvement {least:g}")
            axes.legend(loc="upper right")
        axes.plot((gain.low, gain.high), (0, 0), color=BLUE, linewidth=5, alpha=0.5)
        axes.plot(gain.gain, 0, "o", color=BLUE, markersize=9)
        ends = np.abs([gain.low, gain.high, gain.gain, least]).max()
        axes.set(xlabel=f"gain in test {metric} (right of 0 the challenger is better)", yticks=[], ylim=(-1, 1))
        axes.set_xlim(-1.15 * ends - 1e-3, 1.15 * ends + 1e-3)


def plot_class_changes(change: Comparison, measure: str, allowed: float, path: Path) -> None:
    """Draws the change of each class's metric, with its interval, the greatest loss at the top."""
    classes = sorted(change.classes, key=lambda one: -one.drop)
    rows = np.arange(len(classes))
    drops = np.array([one.drop for one in classes])
    with picture(path, 8, 1.2 + 0.3 * len(classes)) as figure:
        axes = figure.subplots()
        for row, one in zip(rows, classes, strict=True):
            axes.plot((-one.low, -one.high), (row, row), color=GREY, linewidth=3, alpha=0.5)
        worse = drops > 0
        axes.plot(-drops[worse], rows[worse], "o", color=ORANGE, label="worse")
        axes.plot(-drops[~worse], rows[~worse], "o", color=BLUE, label="better or the same")
        axes.axvline(0, color=GREY, linewidth=1)
        axes.axvline(-allowed, color=ORANGE, linestyle="--", label=f"max_class_drop {allowed:g}")
        names = [f"{one.name} ({one.images}): {one.champion:.2f} → {one.challenger:.2f}" for one in classes]
        axes.set_yticks(rows, names)
        axes.invert_yaxis()
        axes.set(xlabel=f"change of {measure}, challenger minus champion")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25 - 1.2 / (len(classes) + 3)), ncols=3, frameon=False)


def draw_changed(positions: Positions, champion: Scored, challenger: Scored, raw: Path, most: int, path: Path) -> None:
    """Draws the images at the first `most` positions with both models' predictions."""
    old, new = (scored.predictions.iloc[positions[:most]].to_dict("records") for scored in (champion, challenger))
    tiles = []
    for before, after in zip(old, new, strict=True):
        lines = challenger.kind.change_caption(before, after)
        tiles.append(Tile(raw / str(after["path"]), "\n".join([*lines, Path(str(after["path"])).name])))
    contact_sheet(tiles, path, min(COLUMNS, max(len(tiles), 1)))
