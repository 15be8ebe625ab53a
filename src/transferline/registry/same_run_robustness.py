"""Robustness of champion and challenger on the same images, for relative limits."""

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from transferline.datasets.tables import split_labels
from transferline.errors import TransferlineError
from transferline.evaluation.changed_images import Subject
from transferline.evaluation.robustness import evaluate_robustness
from transferline.params import Params, Promote, Robustness
from transferline.params.problem_kinds import KINDS
from transferline.progress import say


def relative_robustness(params: Params) -> Robustness | None:
    """Returns the part of `evaluate.robustness` for which `promote` sets a relative limit; None if there is none."""
    wanted = params.evaluate.robustness
    corruptions = wanted and wanted.corruptions and _is_relative(params.promote, "min_corruption_accuracy")
    adversarial = wanted and wanted.adversarial and _is_relative(params.promote, "min_adversarial_accuracy")
    if wanted is None or not (corruptions or adversarial):
        return None
    left_out = {"corruptions": bool(corruptions), "adversarial": bool(adversarial)}
    return wanted.model_copy(update={key: None for key, is_kept in left_out.items() if not is_kept})


def _is_relative(promote: Promote, key: str) -> bool:
    limit = getattr(promote, key)
    return limit is not None and limit.relative is not None


def measure_robustness(subjects: list[Subject], wanted: Robustness, params: Params) -> list[dict[str, Any]]:
    """Returns the metrics of `evaluate_robustness` for each model, on the images whose classes all models know.

    Raises:
        TransferlineError: the models of a segmentation have different classes, or no image is left.
    """
    subjects = _comparable(subjects)
    count = min(wanted.images, len(subjects[0].rows))
    say(f"promote: robustness of {len(subjects)} models on the same {count} images, for the relative limits")
    with tempfile.TemporaryDirectory() as scratch:
        return [evaluate_robustness(subject, wanted, params.evaluate, Path(scratch)) for subject in subjects]


def _comparable(subjects: list[Subject]) -> list[Subject]:
    kind, known = KINDS[subjects[0].card.problem], set.intersection(*(set(one.card.classes) for one in subjects))
    rows: pd.DataFrame = subjects[0].rows
    if kind.has_masks:
        same = len({subject.card.classes for subject in subjects}) == 1
    else:
        rows = rows[[known.issuperset(split_labels(label)) for label in rows["label"]]]
        same = not rows.empty
    if not same:
        raise TransferlineError(
            "promote.min_corruption_accuracy or promote.min_adversarial_accuracy has a relative limit, but champion "
            "and challenger have different classes, so their robustness cannot be compared; set an absolute limit"
        )
    return [Subject(one.folder, one.model, one.card, one.raw, rows) for one in subjects]
