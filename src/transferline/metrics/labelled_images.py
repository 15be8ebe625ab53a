"""The data from which metrics of labels are computed, and the metrics of each class."""

from dataclasses import dataclass

import numpy as np

from transferline.arrays import Counts, Flags, Floats


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


def metrics_by_class(images: LabelledImages) -> dict[str, dict[str, float | None]]:
    """Computes precision, recall, F1, support and one-vs-rest ROC AUC of each class.

    The ROC AUC is None if no image or every image has the class.
    """
    from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

    scores = precision_recall_fscore_support(images.truth, images.predicted, average=None, zero_division=0)
    columns = zip(images.classes, images.truth.T, images.probabilities.T, np.stack(scores).T.tolist(), strict=True)
    result: dict[str, dict[str, float | None]] = {}
    for name, true, column, (precision, recall, f1, support) in columns:
        area = float(roc_auc_score(true, column)) if 0 < support < len(true) else None
        result[name] = {"precision": precision, "recall": recall, "f1": f1, "support": int(support), "roc_auc": area}
    return result
