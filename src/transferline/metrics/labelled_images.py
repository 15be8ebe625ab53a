"""The data from which metrics of labels are computed, and the metrics of each class."""

from dataclasses import dataclass

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

    A metric is None without images from which it is computed: recall if no image has the class, precision if none is
    predicted to have it, F1 if neither, ROC AUC if none or all have it.
    """
    from sklearn.metrics import roc_auc_score

    columns = zip(images.classes, images.truth.T, images.predicted.T, images.probabilities.T, strict=True)
    result: dict[str, Values] = {}
    for name, true, predicted, column in columns:
        support = int(true.sum())
        area = float(roc_auc_score(true, column)) if 0 < support < len(true) else None
        result[name] = {**_shares(true, predicted, images.groups, params), "support": support, "roc_auc": area}
    return result


def _shares(true: Flags, predicted: Flags, groups: Counts, params: Evaluate) -> Values:
    """Returns precision, recall and F1 of a class with the ends of their intervals.

    F1 is 2j / (1 + j), where j is the share of right predictions among the images that have the class or are predicted
    to have it. So its interval follows from that of j.
    """
    right, found = true & predicted, dict[str, float | None]()
    for name, rows in (("precision", predicted), ("recall", true), ("f1", true | predicted)):
        found |= share_with_interval(name, right[rows], groups[rows], params.confidence)
    return {key: 2 * j / (1 + j) if j is not None and key.startswith("f1") else j for key, j in found.items()}
