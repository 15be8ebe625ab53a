"""The metrics of a model that gives no label to unsure images."""

import numpy as np
import pandas as pd

from transferline.metrics.intervals import Values, share_with_interval
from transferline.metrics.resampling import group_numbers
from transferline.models.exported import ModelCard, Rejection
from transferline.params import Evaluate
from transferline.problems.label_decision import possible_labels
from transferline.problems.label_evaluation import PROBABILITY


def rejection_metrics(predictions: pd.DataFrame, card: ModelCard, rejection: Rejection, params: Evaluate) -> Values:
    """Returns the metrics of a rejection, the shares with their intervals.

    Args:
        predictions: see `EvaluationOfKind.rate`.
        card: the card of the model.
        rejection: that of the card.
        params: the level of the intervals.

    Returns:
        `coverage`, the share of images that get a label; `answered_error`, the share of wrong labels among them, None
        without any; `possible_coverage`, the share of images whose true label is among the possible ones; and
        `possible_labels`, their mean number.
    """
    groups, confidence = group_numbers(predictions), predictions["confidence"].to_numpy(float)
    answered, wrong = confidence >= rejection.limit, (predictions["label"] != predictions["predicted"]).to_numpy(bool)
    likely = predictions[[PROBABILITY + name for name in card.classes]].to_numpy(np.float32)
    possible = [possible_labels(row, card) or () for row in likely]
    holds = np.array([label in names for label, names in zip(predictions["label"], possible, strict=True)])
    return {
        **share_with_interval("coverage", answered, groups, params.confidence),
        **share_with_interval("answered_error", wrong[answered], groups[answered], params.confidence),
        **share_with_interval("possible_coverage", holds, groups, params.confidence),
        "possible_labels": float(np.mean([len(names) for names in possible])),
    }
