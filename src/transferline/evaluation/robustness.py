"""The metrics of an exported model on corrupted and on attacked images."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Floats, Pixels
from transferline.evaluation import robustness_pictures as pictures
from transferline.evaluation.attacks import attack, loss_gradient
from transferline.evaluation.changed_images import UNTOUCHED, Batch, Subject, Trial, ask, drawn_evenly
from transferline.evaluation.corruptions import SEVERITIES, corrupt
from transferline.metrics.intervals import with_intervals
from transferline.metrics.metric_table import metrics_with_intervals
from transferline.metrics.resampling import Figure, group_numbers
from transferline.models.exported import load_keras_model
from transferline.params import Adversarial, Attack, Corruption, Evaluate, Robustness
from transferline.problems.metric_choice import METRICS


def evaluate_robustness(subject: Subject, wanted: Robustness, params: Evaluate, folder: Path) -> dict[str, Any]:
    """Measures robustness on at most `wanted.images` images; see `corruption_figures` and `adversarial_figures`."""
    subject = replace(subject, rows=drawn_evenly(subject.rows, wanted.images))
    metrics: dict[str, Any] = {}
    if wanted.corruptions:
        metrics |= corruption_figures(subject, wanted.corruptions, params, folder)
    if wanted.adversarial:
        metrics |= adversarial_figures(subject, wanted.adversarial, params, folder)
    return metrics


def corruption_figures(
    subject: Subject, names: tuple[Corruption, ...], params: Evaluate, folder: Path
) -> dict[str, Any]:
    """Evaluates corruptions at all severities.

    Draws pictures into `folder`, and writes `corruptions.csv` there (see `corruption_by_class`).

    Returns:
        `corruption_<metric>`: the mean of the main metric (see `Kind`) over corruptions and severities, with its
        interval. `corruptions`: the number of images, and the metric on untouched images and in each trial.
    """

    def change(batch: Batch, name: Corruption, severity: int) -> Pixels:
        return corrupt(batch.images, name, severity, params.seed)

    changes = {
        (str(name), severity): partial(change, name=name, severity=severity)
        for name in names
        for severity in SEVERITIES
    }
    found = ask(subject, changes)
    figures = {trial: _figure(one, subject) for trial, one in found.items()}
    points = {trial: float(figure(np.ones((1, len(subject.rows))))[0]) for trial, figure in figures.items()}
    by_class = corruption_by_class(found, subject)
    by_class.to_csv(folder / "corruptions.csv", index_label="class")
    pictures.plot_corruptions(points, by_class, subject, folder / "corruptions.png")
    pictures.draw_corrupted(subject, found[UNTOUCHED], changes, folder / "corruption_examples.png")

    def mean(weights: Floats) -> Floats:
        values: Floats = np.mean([figures[trial](weights) for trial in changes], axis=0)
        return values

    metric, groups = subject.main_metric, group_numbers(subject.rows)
    tree = {name: {f"severity_{level}": points[name, level] for level in SEVERITIES} for name in names}
    return {
        **with_intervals({f"corruption_{metric}": mean}, groups, params, {f"corruption_{metric}"}),
        "corruptions": {"images": len(subject.rows), metric: points[UNTOUCHED], **tree},
    }


def _figure(found: pd.DataFrame, subject: Subject) -> Figure:
    return METRICS[subject.card.problem][subject.main_metric].figure(subject.kind.images(found, subject.card.classes))


def corruption_by_class(found: dict[Trial, pd.DataFrame], subject: Subject) -> pd.DataFrame:
    """Returns a row per class, with a column for untouched images and one for each corruption.

    The values are those of `EvaluationOfKind.by_class`; for a corruption, the mean over the severities.
    """
    columns: dict[str, list[Floats]] = {}
    for (name, _), one in found.items():
        columns.setdefault(name, []).append(subject.kind.by_class(one, subject.card.classes))
    means = {name: np.mean(parts, axis=0) for name, parts in columns.items()}
    return pd.DataFrame(means, index=list(subject.card.classes))


def adversarial_figures(subject: Subject, wanted: Adversarial, params: Evaluate, folder: Path) -> dict[str, Any]:
    """Evaluates attacks at all ε and draws pictures into `folder`.

    Returns:
        `adversarial_<metric>`: the lowest main metric (see `Kind`) among the attacks at the largest ε, with its
        interval. `adversarial`: the number of images, and by attack and ε the metric with its interval. For targeted
        attacks on problems with one goal per image also `goal_reached`: the share of images for which the model
        predicts the goal.
    """
    gradient = loss_gradient(load_keras_model(subject.folder), subject.card.problem)

    def change(batch: Batch, name: Attack, epsilon: int) -> Pixels:
        aim = batch.goal if name.startswith("targeted") else batch.truth
        return attack(batch.images, aim, gradient, name, epsilon, wanted.steps, params.seed)

    changes = {
        (str(name), epsilon): partial(change, name=name, epsilon=epsilon)
        for name in wanted.attacks
        for epsilon in wanted.epsilons
    }
    found = ask(subject, changes)
    aims = subject.kind.goal_labels(found[UNTOUCHED], subject.card)
    metric, largest = subject.main_metric, max(wanted.epsilons)
    tree: dict[str, Any] = {"images": len(subject.rows)}
    for name, epsilon in changes:
        values = _rated(found[name, epsilon], subject, params)
        if name.startswith("targeted") and aims is not None:
            values["goal_reached"] = float((found[name, epsilon]["predicted"].to_numpy() == aims).mean())
        tree.setdefault(name, {})[f"epsilon_{epsilon}"] = values
    strongest = min(wanted.attacks, key=lambda name: tree[name][f"epsilon_{largest}"][metric] or 0.0)
    pictures.plot_epsilons(tree, wanted, subject, folder / "adversarial.png")
    shown = changes[strongest, largest]
    pictures.draw_attacked(subject, found[UNTOUCHED], shown, f"{strongest}, epsilon {largest}", folder)
    worst = _rated(found[strongest, largest], subject, params)
    return {f"adversarial_{name}": value for name, value in worst.items()} | {"adversarial": tree}


def _rated(found: pd.DataFrame, subject: Subject, params: Evaluate) -> dict[str, float | None]:
    """Returns the main metric with its interval, as in `metrics_of`."""
    table = {subject.main_metric: METRICS[subject.card.problem][subject.main_metric]}
    return metrics_with_intervals(table, subject.kind.images(found, subject.card.classes), params)
