"""How far the images of validation are from the training images, to tell which images are unlike all of them."""

import numpy as np

from transferline import params
from transferline.arrays import Float32s
from transferline.insight.insight_table import InsightTable
from transferline.models.training_distance import TrainingDistance, nearest_distances, unit
from transferline.not_applicable import NotApplicableError

MOST_IMAGES = 5000  # of training that are kept: 13 MB with 1280 features, and 1.2 ms for the distance of an image


def training_distance(table: InsightTable, novelty: params.Novelty | None, seed: int) -> TrainingDistance:
    """Returns the distance to the training images of a table, with the limit that `novelty` asks for.

    At most `novelty.false_alarms` of the validation images are beyond the limit.

    Args:
        table: predictions and features of all images.
        novelty: the params; None for no limit.
        seed: draws the training images if there are more than `MOST_IMAGES`.

    Raises:
        NotApplicableError: the model does not output features, or train or validation has no images.
    """
    if table.features is None:
        raise NotApplicableError("the model has no vector before its last layer")
    splits = {split: np.flatnonzero(table.rows["split"] == split) for split in ("train", "validation")}
    if empty := [split for split, places in splits.items() if not len(places)]:
        raise NotApplicableError(f"{empty[0]} has no images")
    train = splits["train"]
    if len(train) > MOST_IMAGES:
        train = np.sort(np.random.default_rng(seed).choice(train, MOST_IMAGES, replace=False))
    training = unit(table.features[train]).astype(np.float16).astype(np.float32)  # as it is stored
    distances = np.sort(nearest_distances(table.features[splits["validation"]], training))
    return TrainingDistance(training, distances, limit_of(distances, novelty) if novelty else np.inf)


def limit_of(distances: Float32s, novelty: params.Novelty) -> float:
    """Returns the least of the ascending distances that at most the share `false_alarms` of them exceed."""
    beyond = int(novelty.false_alarms * len(distances))
    return float(distances[len(distances) - 1 - beyond])
