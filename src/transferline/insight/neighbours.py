"""The training images that are most similar to an image, by the features of a model."""

from dataclasses import dataclass

import numpy as np

from transferline.arrays import Floats
from transferline.datasets.tables import split_labels
from transferline.insight.insight_table import InsightTable
from transferline.models.training_distance import unit
from transferline.params.problem_kinds import KINDS

NEAREST = 3


@dataclass(frozen=True)
class Neighbour:
    """A training image.

    Attributes:
        path: relative to the folder of the dataset.
        label: its label; for a multilabel problem all of them, separated by "|".
        sha256: of its file.
        similarity: the cosine of the angle between both vectors of features, at most 1.
    """

    path: str
    label: str
    sha256: str
    similarity: float


def nearest(table: InsightTable, features: Floats, label: str, count: int = NEAREST) -> tuple[Neighbour, ...]:
    """Returns the training images with a label that are most similar to an image, the most similar first.

    Args:
        table: with features.
        features: of the image, (length,).
        label: the name of a class.
        count: how many images to return; fewer if the class has fewer.
    """
    rows = table.rows
    several = KINDS[table.problem].several_labels
    has_label = rows["label"].map(split_labels).map(lambda names: label in names) if several else rows["label"] == label
    places = np.flatnonzero((rows["split"] == "train") & has_label)
    if table.features is None or not len(places):
        return ()
    similarity = unit(table.features[places]) @ unit(features)
    order = np.argsort(-similarity, kind="stable")[:count]
    chosen = rows.iloc[places[order]]
    return tuple(map(Neighbour, chosen["path"], chosen["label"], chosen["sha256"], similarity[order].tolist()))
