"""Champion and challenger on the same images: today's test set."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Flags, Floats, Positions
from transferline.evaluation.latency import one_image_times
from transferline.evaluation.scoring import figures_of, label_flags, metrics_of, predict_rows
from transferline.metrics.classification import LOSSES
from transferline.metrics.headline import METRIC
from transferline.metrics.segmentation import ious, of_confusion, total_confusion
from transferline.models.exported import LITE_FILE, ModelCard, load_model, read_card
from transferline.models.lite import LiteModel
from transferline.params import Evaluate, SignificanceTest
from transferline.registry.significance import mcnemar, paired_bootstrap, share_difference

LoadedModel = tuple[LiteModel, ModelCard]


@dataclass(frozen=True)
class Scored:
    """What one model says of the test set.

    Attributes:
        card: what the model is.
        predictions: see `predict_rows`.
        metrics: see `metrics_of`.
        latency_ms: for one image, from pixels in memory to probabilities; see `latencies`.
        size_mb: of the model file.
        corruption_accuracy, adversarial_accuracy: of its evaluation, or what its problem has in the place of accuracy
            (see `METRIC`); None where that has none.
    """

    card: ModelCard
    predictions: pd.DataFrame
    metrics: dict[str, Any]
    latency_ms: float
    size_mb: float
    corruption_accuracy: float | None
    adversarial_accuracy: float | None


@dataclass(frozen=True)
class ClassComparison:
    """The recall of a class by both models, of segmentation its IoU, and the interval of what the challenger loses."""

    name: str
    images: int
    champion: float
    challenger: float
    low: float
    high: float

    @property
    def drop(self) -> float:
        """What is lost; negative if the challenger is better."""
        return self.champion - self.challenger


@dataclass(frozen=True)
class Comparison:
    """The challenger against the champion, image by image.

    Attributes:
        gain: by how much the metric is better, in its own unit; negative if it is worse.
        low, high: the interval of the gain.
        p_value: of McNemar's test; None where a bootstrap decides.
        classes: those that the test set holds.
        regressions: positions of the images that only the champion gets right, the most confident mistake first; of
            segmentation of those whose own mean IoU falls, the greatest loss first.
        improvements: of those that only the challenger gets right, the most confident answer first; of segmentation of
            those whose own mean IoU rises, the greatest gain first.
        measure: what `classes` compares.
    """

    gain: float
    low: float
    high: float
    p_value: float | None
    classes: tuple[ClassComparison, ...]
    regressions: Positions
    improvements: Positions
    measure: str = "recall"


def load_with_card(folder: Path) -> LoadedModel:
    """The model of a folder, and its card."""
    return load_model(folder), read_card(folder)


def latencies(models: list[LoadedModel]) -> list[float]:
    """Milliseconds for one image: measured in turn, so that a busy machine is busy for all, and of three medians of
    ten the smallest, which other work has disturbed least."""
    rounds = [[float(np.median(one_image_times(*model, 10))) for model in models] for _ in range(3)]
    return [min(times) for times in zip(*rounds, strict=True)]


def score_model(
    folder: Path,
    loaded: LoadedModel,
    raw: Path,
    rows: pd.DataFrame,
    classes: tuple[str, ...],
    params: Evaluate,
    evaluation: Path,
    latency_ms: float,
) -> Scored:
    """Has the model of `folder` predict `rows`.

    Args:
        folder: a model folder.
        loaded: what is in it.
        raw: the folder of the images.
        rows: the test set.
        classes: of the dataset, in the order of the manifest; the model may know others.
        params: of the intervals.
        evaluation: the `metrics.json` of the model's own evaluation.
        latency_ms: see `Scored`.
    """
    model, card = loaded
    predictions = predict_rows(model, card, raw, rows, classes)
    own = json.loads(evaluation.read_text(encoding="utf-8"))
    return Scored(
        card,
        predictions,
        metrics_of(predictions, classes, params, card.problem),
        latency_ms,
        (folder / LITE_FILE).stat().st_size / 1e6,
        *(own.get("test", {}).get(f"{kind}_{METRIC[card.problem]}") for kind in ("corruption", "adversarial")),
    )


def compare_models(
    champion: Scored,
    challenger: Scored,
    classes: tuple[str, ...],
    metric: str,
    test: SignificanceTest,
    params: Evaluate,
) -> Comparison:
    """Compares two models that were scored on the same rows."""
    figures = [figures_of(one.predictions, classes, one.card.problem)[metric] for one in (challenger, champion)]
    if metric in LOSSES:
        figures.reverse()
    interval = paired_bootstrap(figures[0], figures[1], len(champion.predictions), test, params)
    gain = challenger.metrics[metric] - champion.metrics[metric]
    gain = -gain if metric in LOSSES else gain
    if challenger.card.problem == "segmentation":
        own = [scored.predictions["mean_iou"].to_numpy(float) for scored in (champion, challenger)]
        classed = tuple(_iou_changes(champion, challenger, classes, test, params))
        return Comparison(gain, *interval, None, classed, _falls(own[1] - own[0]), _falls(own[0] - own[1]), "IoU")
    (truth, old), (_, new) = (_flags(scored, classes) for scored in (champion, challenger))
    old_right, new_right = ((truth == said).all(axis=1) for said in (old, new))
    return Comparison(
        gain,
        *interval,
        mcnemar(new_right, old_right) if test.kind == "mcnemar" else None,
        tuple(_class_changes(truth, old, new, classes, test.level)),
        _positions(old_right & ~new_right, challenger),
        _positions(new_right & ~old_right, challenger),
    )


def _flags(scored: Scored, classes: tuple[str, ...]) -> tuple[Flags, Flags]:
    """Which classes each image has, and which the model says it has; both (n, classes)."""
    truth, said = (
        label_flags(scored.predictions[column], classes, scored.card.problem) for column in ("label", "predicted")
    )
    return truth, said


def _class_changes(
    truth: Flags, old: Flags, new: Flags, classes: tuple[str, ...], level: float
) -> list[ClassComparison]:
    changes = []
    for column, name in enumerate(classes):
        has = truth[:, column]
        if has.any():
            before, after = old[has, column], new[has, column]
            low, high = share_difference(before, after, level)
            changes.append(ClassComparison(name, int(has.sum()), float(before.mean()), float(after.mean()), low, high))
    return changes


def _iou_changes(
    champion: Scored, challenger: Scored, classes: tuple[str, ...], test: SignificanceTest, params: Evaluate
) -> list[ClassComparison]:
    count, tables = len(classes), [scored.predictions for scored in (champion, challenger)]
    values = [ious(total_confusion(table, count)) for table in tables]
    changes = []
    for column, name in enumerate(classes):
        images = champion.metrics["per_class"][name]["images"]
        if images:
            old, new = (of_confusion(table, count, partial(_iou_of, column)) for table in tables)
            low, high = paired_bootstrap(old, new, len(tables[0]), test, params)
            champions, challengers = (float(one[column]) for one in values)
            changes.append(ClassComparison(name, images, champions, challengers, low, high))
    return changes


def _iou_of(column: int, matrices: Floats) -> Floats:
    return ious(matrices)[:, column]


def _falls(differences: Floats) -> Positions:
    """The positions of the negative ones, the lowest first."""
    order = np.argsort(differences, kind="stable")
    return order[differences[order] < 0]


def _positions(flags: Flags, challenger: Scored) -> Positions:
    confidence = challenger.predictions["confidence"].to_numpy(float)
    return np.flatnonzero(flags)[np.argsort(-confidence[flags], kind="stable")]
