"""What an exported model says of the images of a manifest, and the figures that follow from it."""

from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Flags, Floats
from transferline.compute import run_shards
from transferline.datasets.images import read_batches
from transferline.datasets.tables import join_labels, split_labels
from transferline.metrics.classification import classification_metrics, single_label_figures
from transferline.metrics.multilabel import multilabel_figures, multilabel_metrics
from transferline.metrics.resampling import Figure
from transferline.metrics.segmentation import predict_masks, rate, segmentation_figures, segmentation_metrics
from transferline.metrics.thresholds import decide_labels
from transferline.models.exported import LITE_FILE, ModelCard, load_model, probabilities, read_card
from transferline.params import Compute, Evaluate, Problem
from transferline.progress import progress

BATCH_SIZE = 32
IMAGES_PER_SHARD = 32 * BATCH_SIZE
PROBABILITY = "probability_"


def predict_rows(
    model: Any, card: ModelCard, raw: Path, rows: pd.DataFrame, classes: tuple[str, ...] | None = None
) -> pd.DataFrame:
    """Predicts images.

    Args:
        model: an exported model, loaded.
        card: its card.
        raw: the folder that the paths are relative to.
        rows: at least one; columns path, split, label, and of segmentation mask.
        classes: of the dataset, which say what the values of its masks mean; those of the card if left out.

    Returns:
        Columns path, split, label, predicted (as `label`: a name, or for a multilabel problem those that pass the
        card's thresholds), confidence (probability of the most probable class, 0 to 1), and `probability_<class>` for
        each class of the card. For segmentation see `rate`.
    """
    if card.problem == "segmentation":
        return predict_masks(model, card, raw, rows, classes)
    paths = rows["path"].tolist()
    batches = read_batches(raw, paths, card.image, BATCH_SIZE)
    shown = progress(batches, -(-len(paths) // BATCH_SIZE), f"predict {card.candidate} {card.phase}, batches")
    return answers(probabilities(model, shown), card, rows, raw)


def answers(values: Floats, card: ModelCard, rows: pd.DataFrame, raw: Path) -> pd.DataFrame:
    """The table of `predict_rows` from the probabilities of its images, (n, classes); of segmentation without the
    boundary F-score."""
    if card.problem == "segmentation":
        return rate(values, card, rows, raw, with_outlines=False)
    found = rows[["path", "split", "label"]].reset_index(drop=True)
    if card.thresholds is None:
        found["predicted"] = np.array(card.classes)[values.argmax(axis=1)]
    else:
        found["predicted"] = join_labels(decide_labels(values, card.thresholds, card.argmax_fallback), card.classes)
    found["confidence"] = values.max(axis=1)
    named = pd.DataFrame(values, columns=[PROBABILITY + name for name in card.classes])
    return pd.concat([found, named], axis=1)


def score(folder: Path, raw: Path, rows: pd.DataFrame, compute: Compute | None = None) -> pd.DataFrame:
    """Predicts `rows` with the exported model of `folder`, in shards, where `compute` says; see `predict_rows`."""
    card = read_card(folder)
    shards = [rows.iloc[start : start + IMAGES_PER_SHARD] for start in range(0, len(rows), IMAGES_PER_SHARD)]
    work = partial(_score_shard, folder, (folder / LITE_FILE).stat().st_mtime_ns, raw)
    return pd.concat(
        run_shards(work, shards, compute, f"predict {card.candidate} {card.phase}, shards"), ignore_index=True
    )


def _score_shard(folder: Path, changed: int, raw: Path, rows: pd.DataFrame) -> pd.DataFrame:
    return predict_rows(loaded(folder, changed), read_card(folder), raw, rows)


@lru_cache(maxsize=1)
def loaded(folder: Path, changed: int) -> Any:
    """The exported model of a folder, once in each process; `changed`: when its file was written, by `st_mtime_ns`."""
    return load_model(folder)


def class_columns(predictions: pd.DataFrame, classes: tuple[str, ...]) -> Floats:
    """The probabilities of `classes`, (n, classes); 0 of one that the model does not know."""
    empty = pd.Series(0.0, index=predictions.index)
    return np.stack([predictions.get(PROBABILITY + name, empty).to_numpy(float) for name in classes], axis=1)


def label_flags(labels: pd.Series, classes: tuple[str, ...], problem: Problem) -> Flags:
    """Which of `classes` a column `label` or `predicted` names, (n, classes); other names are left out."""
    if problem != "multilabel":
        return np.array([np.equal(classes, label) for label in labels])
    return np.array([np.isin(classes, split_labels(label)) for label in labels])


def figures_of(predictions: pd.DataFrame, classes: tuple[str, ...], problem: Problem) -> dict[str, Figure]:
    """The figures that `select.metric` can name, as functions of the images' weights (see `resampling`): for resamples
    that two models share."""
    if problem == "segmentation":
        return segmentation_figures(predictions, len(classes))
    values = class_columns(predictions, classes)
    if problem == "multilabel":
        truth, given = (label_flags(predictions[name], classes, problem) for name in ("label", "predicted"))
        return multilabel_figures(truth, given, values)
    labels, predicted = (predictions[name].to_numpy(str) for name in ("label", "predicted"))
    return single_label_figures(labels, predicted, values, classes)


def metrics_of(
    predictions: pd.DataFrame, classes: tuple[str, ...], params: Evaluate, problem: Problem
) -> dict[str, Any]:
    """The figures of predictions, judged by the names in `classes`; see `classification_metrics`, or
    `multilabel_metrics` and `segmentation_metrics`.

    The model may know other classes: of one that it does not know it says 0, so that its images count as wrong;
    what it says of one that is not in `classes` is left out.
    """
    if problem == "segmentation":
        return segmentation_metrics(predictions, classes, params)
    values = class_columns(predictions, classes)
    if problem == "multilabel":
        truth, given = (label_flags(predictions[name], classes, problem) for name in ("label", "predicted"))
        return multilabel_metrics(truth, given, values, classes, params)
    labels, predicted = (predictions[name].to_numpy(str) for name in ("label", "predicted"))
    return classification_metrics(labels, predicted, predictions["confidence"].to_numpy(float), values, classes, params)
