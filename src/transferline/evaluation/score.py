"""What an exported model says of the images of a manifest, and the figures that follow from it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.data.images import read_batches
from transferline.evaluation.metrics import classification_metrics
from transferline.models.exported import ModelCard, load_model, probabilities, read_card
from transferline.params import Evaluate
from transferline.progress import progress

BATCH_SIZE = 32
PROBABILITY = "probability_"


def predict_rows(model: Any, card: ModelCard, raw: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Predicts images.

    Args:
        model: an exported model, loaded.
        card: its card.
        raw: the folder that the paths are relative to.
        rows: at least one; columns path, split, label.

    Returns:
        Columns path, split, label, predicted, confidence (probability of the predicted class, 0 to 1), and
        `probability_<class>` for each class of the card.
    """
    paths = rows["path"].tolist()
    batches = read_batches(raw, paths, card.image, BATCH_SIZE)
    shown = progress(batches, -(-len(paths) // BATCH_SIZE), f"predict {card.candidate} {card.phase}, batches")
    values = probabilities(model, shown)
    found = rows[["path", "split", "label"]].reset_index(drop=True)
    found["predicted"] = np.array(card.classes)[values.argmax(axis=1)]
    found["confidence"] = values.max(axis=1)
    named = pd.DataFrame(values, columns=[PROBABILITY + name for name in card.classes])
    return pd.concat([found, named], axis=1)


def score(folder: Path, raw: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Loads the exported model of `folder` and predicts `rows`; see `predict_rows`."""
    return predict_rows(load_model(folder), read_card(folder), raw, rows)


def metrics_of(predictions: pd.DataFrame, classes: tuple[str, ...], params: Evaluate) -> dict[str, Any]:
    """The figures of `classification_metrics` for predictions, judged by the names in `classes`.

    The model may know other classes: of one that it does not know it says 0, so that its images count as wrong;
    what it says of one that is not in `classes` is left out.
    """
    empty = pd.Series(0.0, index=predictions.index)
    values = np.stack([predictions.get(PROBABILITY + name, empty).to_numpy(float) for name in classes], axis=1)
    labels, predicted = (predictions[column].to_numpy(str) for column in ("label", "predicted"))
    confidence = predictions["confidence"].to_numpy(float)
    return classification_metrics(labels, predicted, confidence, values, classes, params)
