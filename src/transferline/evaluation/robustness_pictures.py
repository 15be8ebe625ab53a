"""Pictures of a model under corruptions and attacks."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Floats, Pixels
from transferline.datasets.contact_sheet import Tile, contact_sheet
from transferline.evaluation.changed_images import UNTOUCHED, Batch, Subject, Trial, examples, shown
from transferline.evaluation.corruptions import GREY, SEVERITIES
from transferline.params import Adversarial
from transferline.plots import BLUE, GREEN, ORANGE, PURPLE, picture, short
from transferline.plots import GREY as MUTED

EXAMPLES = 6
COLORS = {"fgsm": BLUE, "pgd": ORANGE, "targeted_fgsm": GREEN, "targeted_pgd": PURPLE}
SMALL_TABLE = 25


def plot_corruptions(values: Mapping[Trial, float], by_class: pd.DataFrame, subject: Subject, path: Path) -> None:
    """Draws two heat maps over the corruptions: the main metric by severity, and the metric of each class.

    Args:
        values: the metric of each trial, with `UNTOUCHED`.
        by_class: see `corruption_by_class`; 0 to 1.
        subject: the model and its images.
        path: the PNG.
    """
    names = [str(name) for name in by_class]
    severities = [[values.get((name, level), values[UNTOUCHED]) for name in names] for level in SEVERITIES]
    count = len(by_class)
    height = float(np.clip(0.3 * count, 0.6, 24))
    with picture(path, 2.6 + 0.62 * len(names), 3.6 + height) as figure:
        figure.suptitle(subject.title)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.5, height))
        metric = subject.main_metric.replace("_", " ")
        _heat_map(above, np.array(severities), [str(level) for level in SEVERITIES], f"{metric} by severity")
        above.set_ylabel("severity")
        classes = [short(str(name)) for name in by_class.index]
        image = _heat_map(
            below, by_class.to_numpy(float), classes, f"{subject.kind.class_measure} by class, mean of the severities"
        )
        below.set_xticks(range(len(names)), [name.replace("_", " ") for name in names], rotation=90)
        figure.colorbar(image, ax=(above, below), shrink=0.6)


def _heat_map(axes: Any, shares: Any, rows: list[str], title: str) -> Any:
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_yticks(range(len(rows)), rows, fontsize=9 if len(rows) <= SMALL_TABLE else 6)
    axes.set_title(title, fontsize=10)
    for (row, column), value in np.ndenumerate(shares):
        if not np.isnan(value):
            color = "white" if value > 0.6 else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=color, fontsize=7)
    return image


def draw_corrupted(
    subject: Subject, untouched: pd.DataFrame, changes: Mapping[Trial, Callable[[Batch], Pixels]], path: Path
) -> None:
    """Draws an image under every corruption (row) and severity, with the prediction for it."""
    batch = examples(subject, untouched, 1)
    images = {trial: change(batch) for trial, change in changes.items()}
    pictures, predicted = shown(subject, np.concatenate(list(images.values())))
    tiles = [
        Tile(image, f"{name.replace('_', ' ')} {level}\n{words}")
        for (name, level), image, words in zip(images, pictures, predicted, strict=True)
    ]
    _, (before,) = shown(subject, batch.images)
    contact_sheet(tiles, path, len(SEVERITIES), f"{subject.title}; untouched: {before}")


def plot_epsilons(tree: Mapping[str, Any], wanted: Adversarial, subject: Subject, path: Path) -> None:
    """Draws the main metric against ε with its interval, for each attack.

    Args:
        tree: by attack and `epsilon_<ε>`: the metric, and the ends of its interval, `_low` and `_high`.
        wanted: which attacks and ε.
        subject: the model and its images.
        path: the PNG.
    """
    metric, epsilons = subject.main_metric, sorted(wanted.epsilons)
    with picture(path, 7, 4.5) as figure:
        axes = figure.subplots()
        for name in wanted.attacks:
            metrics = [tree[name][f"epsilon_{epsilon}"] for epsilon in epsilons]
            value, low, high = ([one[metric + end] for one in metrics] for end in ("", "_low", "_high"))
            style = "--" if name.startswith("targeted") else "-"
            axes.plot(epsilons, value, style, color=COLORS[name], marker="o", label=name.replace("_", " "))
            axes.fill_between(epsilons, low, high, color=COLORS[name], alpha=0.15, linewidth=0)
        axes.set(
            xlabel="ε on the scale of 0 to 255",
            ylabel=metric.replace("_", " "),
            ylim=(-0.02, 1.02),
            title=subject.title,
        )
        axes.set_xticks(epsilons)
        axes.grid(color=MUTED, alpha=0.3)
        axes.legend()


def draw_attacked(
    subject: Subject, untouched: pd.DataFrame, change: Callable[[Batch], Pixels], name: str, folder: Path
) -> None:
    """Draws `adversarial_examples.png`: images before an attack, its perturbation, and the images after it.

    The perturbation is scaled to the full range. Predictions are shown before and after.
    """
    batch = examples(subject, untouched, EXAMPLES)
    attacked = change(batch)
    perturbations, factor = enlarged(attacked.astype(float) - batch.images)
    tiles = []
    (images, befores), (results, afters) = shown(subject, batch.images), shown(subject, attacked)
    for image, grain, result, before, after in zip(images, perturbations, results, befores, afters, strict=True):
        tiles += [
            Tile(image, f"before:\n{before}"),
            Tile(grain, f"perturbation\n{factor:.3g} times"),
            Tile(result, f"after:\n{after}"),
        ]
    contact_sheet(tiles, folder / "adversarial_examples.png", 6, f"{subject.title}; {name}")


def enlarged(added: Floats) -> tuple[Pixels, float]:
    """Returns the changes of pixels, scaled to the full range around grey, and the factor."""
    factor = GREY / max(float(np.abs(added).max()), 1)
    return np.rint(GREY + factor * added).astype(np.uint8), factor
