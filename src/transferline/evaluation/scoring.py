"""The predictions of an exported model for the images of a manifest, and their metrics."""

from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.compute import run_shards
from transferline.datasets.images import read_batches
from transferline.metrics.metric_table import metrics_with_intervals
from transferline.models.exported import LITE_FILE, ModelCard, load_model, read_card, read_held_out
from transferline.models.lite import LiteModel
from transferline.params import Compute, Evaluate, Problem
from transferline.problems.evaluation import evaluation_of
from transferline.problems.metric_choice import metric_table
from transferline.progress import progress

IMAGES_PER_SHARD = 1024


def predict_rows(
    model: LiteModel, card: ModelCard, raw: Path, rows: pd.DataFrame, classes: tuple[str, ...] | None = None
) -> pd.DataFrame:
    """Predicts at least one image.

    Args:
        model: an exported model, loaded.
        card: its card.
        raw: the folder that the paths are relative to.
        rows: rows of the manifest.
        classes: the dataset's classes, in the order of the values in its masks; by default those of the card.

    Returns:
        See `EvaluationOfKind.rate`.
    """
    kind, paths = evaluation_of(card.problem), rows["path"].tolist()
    batches = read_batches(raw, paths, card.image, kind.batch_size)
    shown = progress(batches, -(-len(paths) // kind.batch_size), f"predict {card.candidate} {card.phase}, batches")
    parts = [
        kind.rate(model.probabilities(images), card, rows.iloc[number * kind.batch_size :][: len(images)], raw, classes)
        for number, images in enumerate(shown)
    ]
    return pd.concat(parts, ignore_index=True)


def score(folder: Path, raw: Path, rows: pd.DataFrame, compute: Compute | None = None) -> pd.DataFrame:
    """Predicts `rows` with the exported model of `folder`, in shards; see `predict_rows`.

    A refitted model was trained on validation images; for these it returns the predictions from before the refit.
    `compute` sets where the shards are predicted; by default in this process.
    """
    card, held_out = read_card(folder), read_held_out(folder)
    is_known = rows["path"].isin(held_out) & (rows["split"] == "validation")
    known, others = rows[is_known], rows[~is_known]
    shards = [others.iloc[start : start + IMAGES_PER_SHARD] for start in range(0, len(others), IMAGES_PER_SHARD)]
    work = partial(_score_shard, folder, (folder / LITE_FILE).stat().st_mtime_ns, raw)
    parts = run_shards(work, shards, compute, f"predict {card.candidate} {card.phase}, shards") if shards else []
    if not known.empty:
        probabilities = np.stack([held_out[path] for path in known["path"]])
        parts = [evaluation_of(card.problem).rate(probabilities, card, known, raw), *parts]
    place = np.argsort(np.concatenate([np.flatnonzero(is_known), np.flatnonzero(~is_known)]))
    return pd.concat(parts, ignore_index=True).iloc[place].reset_index(drop=True)


def _score_shard(folder: Path, changed: int, raw: Path, rows: pd.DataFrame) -> pd.DataFrame:
    return predict_rows(loaded(folder, changed), read_card(folder), raw, rows)


@lru_cache(maxsize=1)
def loaded(folder: Path, changed: int) -> LiteModel:
    """Returns the exported model of a folder, loaded once in each process.

    `changed` is the time when its file was written, by `st_mtime_ns`. If it differs, the model is loaded again.
    """
    return load_model(folder)


def metrics_with_card(
    predictions: pd.DataFrame, classes: tuple[str, ...], params: Evaluate, card: ModelCard
) -> dict[str, Any]:
    """Returns `metrics_of` the predictions of a model, and `EvaluationOfKind.card_metrics`."""
    of_card = evaluation_of(card.problem).card_metrics(predictions, card, params)
    return metrics_of(predictions, classes, params, card.problem) | of_card


def metrics_of(
    predictions: pd.DataFrame, classes: tuple[str, ...], params: Evaluate, problem: Problem
) -> dict[str, Any]:
    """Computes the metrics of at least one prediction, for the names in `classes`.

    A model may have other classes: see `EvaluationOfKind.images`.

    Returns:
        n and groups, the numbers of images and of their groups; each metric of `metric_table` with its interval (see
        `metrics_with_intervals`); and `EvaluationOfKind.details`.
    """
    kind, counts = evaluation_of(problem), {"n": len(predictions), "groups": predictions["group"].nunique()}
    found = metrics_with_intervals(metric_table(problem, params), kind.images(predictions, classes), params)
    return counts | found | kind.details(predictions, classes, params)
