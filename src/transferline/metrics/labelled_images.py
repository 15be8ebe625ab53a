"""The data from which metrics of labels are computed, and the metrics of each class."""

from dataclasses import dataclass

import numpy as np

from transferline.arrays import Counts, Flags, Floats
from transferline.metrics.intervals import Values, share_with_interval
from transferline.params import Evaluate


@dataclass(frozen=True)
class LabelledImages:
    """The true and the predicted labels of images. Columns are in the order of `classes`.

    Attributes:
        truth: (n, classes) bool, the true labels, n ≥ 1. A label that is not among the classes is left out.
        predicted: (n, classes) bool, the predicted labels.
        probabilities: (n, classes), the predicted probabilities, 0 to 1.
        classes: the names of the classes.
        groups: (n,) the number of each image's group, from 0 without gaps; see `draw_weights`.
    """

    truth: Flags
    predicted: Flags
    probabilities: Floats
    classes: tuple[str, ...]
    groups: Counts

    def __len__(self) -> int:
        """The number of images."""
        return len(self.truth)


def metrics_by_class(images: LabelledImages, params: Evaluate) -> dict[str, Values]:
    """Computes precision, recall, F1, support and one-vs-rest ROC AUC of each class, the first three with intervals.

    The ROC AUC is None if no image or every image has the class.
    """
    from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

    scores = precision_recall_fscore_support(images.truth, images.predicted, average=None, zero_division=0)
    columns = zip(images.classes, images.truth.T, images.probabilities.T, np.stack(scores).T.tolist(), strict=True)
    result: dict[str, Values] = {}
    for name, true, column, (precision, recall, f1, support) in columns:
        area = float(roc_auc_score(true, column)) if 0 < support < len(true) else None
        result[name] = {"precision": precision, "recall": recall, "f1": f1, "support": int(support), "roc_auc": area}
        result[name] |= _intervals(true, images.predicted[:, len(result) - 1], images.groups, params)
    return result


def _intervals(true: Flags, predicted: Flags, groups: Counts, params: Evaluate) -> Values:
    """Returns the ends of the intervals of a class; None where the metric has no images.

    F1 is 2j / (1 + j), where j is the share of right predictions among the images that have the class or are predicted
    to have it. So its interval follows from that of j.
    """
    right, found = true & predicted, dict[str, float | None]()
    for name, rows in (("precision", predicted), ("recall", true), ("f1", true | predicted)):
        found |= share_with_interval(name, right[rows], groups[rows], params.confidence)
    ends = {key: value for key, value in found.items() if key.endswith(("_low", "_high"))}
    return {key: 2 * j / (1 + j) if j is not None and key.startswith("f1") else j for key, j in ends.items()}
