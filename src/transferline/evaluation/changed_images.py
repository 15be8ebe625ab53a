"""The predictions of an exported model for images that are corrupted or attacked in several ways."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from transferline.arrays import Array, Float32s, Pixels
from transferline.datasets.images import read_batch, read_batches
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.params.problem_kinds import KINDS
from transferline.problems.evaluation import EvaluationOfKind, evaluation_of
from transferline.progress import progress, say

BATCH_SIZE = 32

Trial = tuple[str, int]  # a corruption and its severity, or an attack and its ε
UNTOUCHED: Trial = ("untouched", 0)


@dataclass(frozen=True)
class Subject:
    """An exported model and the images that it predicts.

    Attributes:
        folder: of the model.
        model: loaded from that folder.
        card: the card of the model.
        raw: the folder that the paths of the images are relative to.
        rows: rows of the manifest.
    """

    folder: Path
    model: LiteModel
    card: ModelCard
    raw: Path
    rows: pd.DataFrame

    @property
    def kind(self) -> EvaluationOfKind:
        """The evaluation of its kind of problem."""
        return evaluation_of(self.card.problem)

    @property
    def main_metric(self) -> str:
        """The main metric of its kind of problem, which measures robustness."""
        return KINDS[self.card.problem].main_metric

    @property
    def title(self) -> str:
        """The title of pictures."""
        return f"{self.card.candidate}, {self.card.phase}, {self.rows['split'].iloc[0]} ({len(self.rows)} images)"


@dataclass(frozen=True)
class Batch:
    """Images with their true classes or masks, and the goals of a targeted attack; see `EvaluationOfKind`."""

    images: Pixels
    truth: Array
    goal: Array


Change = Callable[[Batch], Pixels]


def drawn_evenly(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Returns at most `most` rows at equal distances, so that each class keeps about its share."""
    places = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)
    return rows.iloc[places].reset_index(drop=True)


def ask(subject: Subject, changes: Mapping[Trial, Change]) -> dict[Trial, pd.DataFrame]:
    """Returns the model's predictions for the original images (`UNTOUCHED`) and after each change.

    See `EvaluationOfKind.rate`.
    """
    start, card = time.monotonic(), subject.card
    found: dict[Trial, list[pd.DataFrame]] = defaultdict(list)
    total = -(-len(subject.rows) // BATCH_SIZE) * (1 + len(changes))
    batches = progress(_predicted(subject, changes), total, f"robustness {card.candidate} {card.phase}, batches")
    for trial, predictions in batches:
        found[trial].append(predictions)
    count = len(subject.rows) * len(found)
    say(
        f"robustness {card.candidate} {card.phase}: {count:,} images predicted, "
        f"{1000 * (time.monotonic() - start) / count:.1f} s per 1,000"
    )
    return {trial: pd.concat(parts, ignore_index=True) for trial, parts in found.items()}


def _predicted(subject: Subject, changes: Mapping[Trial, Change]) -> Iterator[tuple[Trial, pd.DataFrame]]:
    rate = partial(subject.kind.rate, card=subject.card, raw=subject.raw, in_detail=False)
    images = read_batches(subject.raw, subject.rows["path"].tolist(), subject.card.image, BATCH_SIZE)
    for number, part in enumerate(images):
        rows = subject.rows.iloc[number * BATCH_SIZE :][: len(part)]
        probabilities = subject.model.probabilities(part)
        yield UNTOUCHED, rate(probabilities, rows=rows)
        batch = _batch(subject, part, rows, probabilities)
        for trial, change in changes.items():
            yield trial, rate(subject.model.probabilities(change(batch)), rows=rows)


def _batch(subject: Subject, images: Pixels, rows: pd.DataFrame, probabilities: Float32s) -> Batch:
    truth = subject.kind.truth(rows, subject.card, subject.raw)
    return Batch(images, truth, subject.kind.goals(truth, probabilities))


def examples(subject: Subject, untouched: pd.DataFrame, most: int) -> Batch:
    """Returns up to `most` images for a picture, at equal distances among those that the model predicts correctly.

    If it predicts none correctly, they come from all images.

    Args:
        subject: the model and all images.
        untouched: its predictions for them.
        most: at least 1.
    """
    known = untouched["label"] == untouched["predicted"]
    rows = drawn_evenly(untouched[known] if known.any() else untouched, most)
    images = read_batch(subject.raw, rows["path"].tolist(), subject.card.image)
    return _batch(subject, images, rows, subject.model.probabilities(images))


def shown(subject: Subject, images: Pixels) -> tuple[Pixels, list[str]]:
    """See `EvaluationOfKind.shown`."""
    return subject.kind.shown(images, subject.model.probabilities(images), subject.card)
