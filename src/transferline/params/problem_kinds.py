"""The kinds of problem and their requirements for params and data. The computations are in `problems/`."""

from dataclasses import dataclass

from transferline.params.section import Problem


@dataclass(frozen=True)
class Kind:
    """A kind of problem.

    Attributes:
        main_metric: the metric of the epochs of a training, and of robustness. Each epoch's row in `history.csv` holds
            it as `<metric>` and `val_<metric>`.
        several_labels: whether an image has any number of labels, each with a threshold, instead of exactly one.
        has_masks: whether a mask gives each pixel of an image a class.
        classes: the required number of classes; None for any number.
    """

    main_metric: str
    several_labels: bool = False
    has_masks: bool = False
    classes: int | None = None

    @property
    def joins_names(self) -> bool:
        """Whether the column `label` of the manifest can hold several names, separated by "|"."""
        return self.several_labels or self.has_masks


KINDS: dict[Problem, Kind] = {
    "binary": Kind("accuracy", classes=2),
    "multiclass": Kind("accuracy"),
    "multilabel": Kind("mean_average_precision", several_labels=True),
    "segmentation": Kind("mean_iou", has_masks=True),
}


def fitting_problem(has_masks: bool, several_labels: bool, classes: int) -> Problem:
    """Returns the first kind of problem that fits these labels and this number of classes."""
    return next(
        name
        for name, kind in KINDS.items()
        if (kind.has_masks, kind.several_labels) == (has_masks, several_labels) and kind.classes in (None, classes)
    )
