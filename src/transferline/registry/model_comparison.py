"""Champion and challenger on the same images: the present test set."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.evaluation.latency import one_image_times
from transferline.evaluation.scoring import metrics_of, predict_rows
from transferline.metrics.significance import mcnemar, paired_bootstrap
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
        metrics: see `metrics_of`.
        latency_ms: for one image, from pixels in memory to probabilities; see `latencies`.
        size_mb: of the model file.
        corruption_accuracy, adversarial_accuracy: the main metric under corruptions and attacks, from the model's own
            evaluation; None where it has none.
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
class Comparison(Changes):
    """The challenger compared with the champion.

    Attributes:
        gain: the improvement of the metric, in its own unit; negative if the challenger is worse.
        low, high: the interval of the gain.
        p_value: of McNemar's test; None where a bootstrap decides.
    """

    gain: float
    low: float
    high: float
    p_value: float | None


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
    evaluation: Path,
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
        evaluation: the `metrics.json` of the model's own evaluation.
        latency_ms: see `Scored`.
    """
    model, card = loaded
    predictions = predict_rows(model, card, raw, rows, classes)
    main_metric = KINDS[card.problem].main_metric
    own = json.loads(evaluation.read_text(encoding="utf-8"))
    return Scored(
        card,
        predictions,
        metrics_of(predictions, classes, params, card.problem),
        latency_ms,
        (folder / LITE_FILE).stat().st_size / 1e6,
        *(own.get("test", {}).get(f"{kind}_{main_metric}") for kind in ("corruption", "adversarial")),
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
    old, new = (kind.images(scored.predictions, classes) for scored in (champion, challenger))
    better, worse = (wanted.figure(images) for images in (new, old))
    gain = challenger.metrics[metric] - champion.metrics[metric]
    if wanted.is_loss:
        better, worse, gain = worse, better, -gain
    low, high = paired_bootstrap(better, worse, old.groups, test, params)
    p_value = mcnemar(wanted.flags(new), wanted.flags(old)) if test.kind == "mcnemar" and wanted.flags else None
    changes = kind.compare(champion.predictions, challenger.predictions, classes, test, params)
    return Comparison(changes.classes, changes.regressions, changes.improvements, gain, low, high, p_value)
