"""Champion and challenger on the same images: the present test set."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.evaluation.latency import one_image_times
from transferline.evaluation.scoring import metrics_with_card, predict_rows
from transferline.metrics.metric_table import Metric
from transferline.metrics.significance import gain_interval, permutation_test, stacked
from transferline.models.exported import LITE_FILE, ModelCard, load_model, read_card
from transferline.models.lite import LiteModel
from transferline.params import Evaluate, SignificanceTest
from transferline.params.problem_kinds import KINDS
from transferline.problems.evaluation import EvaluationOfKind, evaluation_of
from transferline.problems.metric_choice import metric_table
from transferline.problems.model_changes import Changes

LoadedModel = tuple[LiteModel, ModelCard]


@dataclass(frozen=True)
class Scored:
    """The predictions of one model for the test set, and their metrics.

    Attributes:
        card: the card of the model.
        predictions: see `predict_rows`.
        metrics: see `metrics_with_card`.
        latency_ms: for one image, from pixels in memory to probabilities; see `latencies`.
        size_mb: of the model file.
        corruption_accuracy, adversarial_accuracy: the main metric under corruptions and attacks. For a relative limit
            both models are measured now on the same images; else the challenger's are from its own evaluation, and
            the champion's are None.
    """

    card: ModelCard
    predictions: pd.DataFrame
    metrics: dict[str, Any]
    latency_ms: float
    size_mb: float
    corruption_accuracy: float | None
    adversarial_accuracy: float | None

    @property
    def kind(self) -> EvaluationOfKind:
        """The evaluation of its kind of problem."""
        return evaluation_of(self.card.problem)


@dataclass(frozen=True)
class Gain:
    """The metric of both models on the same images.

    Attributes:
        champion, challenger: its values.
        gain: the improvement, in the unit of the metric; negative if the challenger is worse.
        low, high: the interval of the gain.
        p_value: of the permutation test, two-sided.
        images, groups: how many there are; without groups each image counts as one.
    """

    champion: float
    challenger: float
    gain: float
    low: float
    high: float
    p_value: float
    images: int
    groups: int

    def is_beyond_noise(self, level: float) -> bool:
        """Whether the test is significant and the interval excludes 0. With few groups only one of them may hold."""
        return self.p_value < level and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Comparison(Changes):
    """The challenger compared with the champion.

    Attributes:
        whole: the gain on all compared images.
        new_classes: the challenger's `class_measure` of each class that the champion does not know; None if no image
            has the class.
        common: the gain on the classes that the champion knows. None without new classes, and without such images.
    """

    whole: Gain
    new_classes: dict[str, float | None]
    common: Gain | None


def load_with_card(folder: Path) -> LoadedModel:
    """Returns the model of a folder, and its card."""
    return load_model(folder), read_card(folder)


def latencies(models: list[LoadedModel]) -> list[float]:
    """Measures the time for one image in milliseconds.

    The models take turns, so that other work on the machine affects all of them. The result is the smallest of three
    medians of ten, which other work has affected least.
    """
    rounds = [[float(np.median(one_image_times(*model, 10))) for model in models] for _ in range(3)]
    return [min(times) for times in zip(*rounds, strict=True)]


def score_model(
    folder: Path,
    loaded: LoadedModel,
    raw: Path,
    rows: pd.DataFrame,
    classes: tuple[str, ...],
    params: Evaluate,
    robustness: Mapping[str, Any],
    latency_ms: float,
) -> Scored:
    """Predicts `rows` with the model of `folder`, and computes the metrics.

    Args:
        folder: a model folder.
        loaded: the model, loaded from that folder.
        raw: the folder of the images.
        rows: the test set.
        classes: of the dataset, in the order of the manifest; the model may have other classes.
        params: the settings of the intervals.
        robustness: metrics of `evaluate_robustness`; empty if they are not known.
        latency_ms: see `Scored`.
    """
    model, card = loaded
    predictions = predict_rows(model, card, raw, rows, classes)
    main_metric = KINDS[card.problem].main_metric
    return Scored(
        card,
        predictions,
        metrics_with_card(predictions, classes, params, card),
        latency_ms,
        (folder / LITE_FILE).stat().st_size / 1e6,
        *(robustness.get(f"{kind}_{main_metric}") for kind in ("corruption", "adversarial")),
    )


def compare_models(
    champion: Scored,
    challenger: Scored,
    classes: tuple[str, ...],
    metric: str,
    test: SignificanceTest,
    params: Evaluate,
) -> Comparison:
    """Compares two models that predicted the same rows."""
    kind, wanted = challenger.kind, metric_table(challenger.card.problem, params)[metric]
    tables = champion.predictions, challenger.predictions
    old, new = (kind.images(table, classes) for table in tables)
    whole = measure_gain(wanted, old, new, test, params)
    measured = kind.by_class(challenger.predictions, classes)
    values = {name: None if np.isnan(value) else float(value) for name, value in zip(classes, measured, strict=True)}
    known = tuple(name for name in classes if name in champion.card.classes)
    added = {name: values[name] for name in challenger.card.classes if name in values and name not in known}
    common, rows = None, kind.rows_with(champion.predictions, classes, known)
    if added and len(rows):
        old, new = (kind.images_of(table.iloc[rows], classes, known) for table in tables)
        common = measure_gain(wanted, old, new, test, params)
    changes = kind.compare(*tables, classes, test, params.seed)
    return Comparison(changes.classes, changes.regressions, changes.improvements, whole, added, common)


def floor_of(scored: Scored, classes: tuple[str, ...], metric: str, params: Evaluate) -> float:
    """Returns the metric of a model that has learned nothing, on the images of `scored`; see `floor_images`."""
    images = scored.kind.floor_images(scored.kind.images(scored.predictions, classes))
    figure = metric_table(scored.card.problem, params)[metric].figure(images)
    return float(figure(np.ones((1, len(images))))[0])


def measure_gain(metric: Metric, old: Any, new: Any, test: SignificanceTest, params: Evaluate) -> Gain:
    """Measures the gain of `new` over `old`, the images with the predictions of two models; see `compare_models`."""
    figures = [metric.figure(images) for images in (old, new)]
    values = [float(figure(np.ones((1, len(old))))[0]) for figure in figures]
    low, high = map(float, gain_interval(figures[1], figures[0], old.groups, test, params))
    p_value = float(permutation_test(metric.figure(stacked(new, old)), old.groups, test, params.seed))
    gain = values[1] - values[0]
    if metric.is_loss:
        gain, low, high = -gain, -high, -low
    return Gain(values[0], values[1], gain, low, high, p_value, len(old), int(old.groups.max()) + 1)
