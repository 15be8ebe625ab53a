"""What the metrics of labels are computed from, and the metrics of each class."""

from dataclasses import dataclass

import numpy as np

from transferline.arrays import Flags, Floats


@dataclass(frozen=True)
class LabelledImages:
    """Images, what they show and what a model predicts for them, in the order of the classes.

    Attributes:
        truth: (n, classes) which labels each image has, n ≥ 1; a label that is none of the classes is left out.
        predicted: (n, classes) which labels are predicted for it.
        probabilities: (n, classes), 0 to 1.
        classes: their names.
    """

    truth: Flags
    predicted: Flags
    probabilities: Floats
    classes: tuple[str, ...]

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.truth)


def metrics_by_class(images: LabelledImages) -> dict[str, dict[str, float | None]]:
    """Precision, recall, F1, support and one-vs-rest ROC AUC of each class.

    The area is None where no image has the class, or every one.
    """
    from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

    scores = precision_recall_fscore_support(images.truth, images.predicted, average=None, zero_division=0)
    columns = zip(images.classes, images.truth.T, images.probabilities.T, np.stack(scores).T.tolist(), strict=True)
    result: dict[str, dict[str, float | None]] = {}
    for name, true, column, (precision, recall, f1, support) in columns:
        area = float(roc_auc_score(true, column)) if 0 < support < len(true) else None
        result[name] = {"precision": precision, "recall": recall, "f1": f1, "support": int(support), "roc_auc": area}
    return result
