"""Asks an exported model about images that were changed in many ways."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from transferline.arrays import Array, Float32s, Pixels
from transferline.datasets.images import read_batch, read_batches
from transferline.datasets.masks import overlay, read_masks
from transferline.datasets.tables import targets
from transferline.evaluation.attacks import goals
from transferline.evaluation.scoring import BATCH_SIZE, answers
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.progress import progress, say

Trial = tuple[str, int]  # a corruption and its severity, or an attack and its ε
UNTOUCHED: Trial = ("untouched", 0)


@dataclass(frozen=True)
class Subject:
    """An exported model, loaded from its folder, with its card, and the images on which it is tried: rows of the
    manifest in `raw`."""

    folder: Path
    model: LiteModel
    card: ModelCard
    raw: Path
    rows: pd.DataFrame

    @property
    def title(self) -> str:
        """For pictures."""
        return f"{self.card.candidate}, {self.card.phase}, {self.rows['split'].iloc[0]} ({len(self.rows)} images)"


@dataclass(frozen=True)
class Batch:
    """Images, what they show, and what a targeted attack shall make of them: see `datasets.tables.targets`."""

    images: Pixels
    truth: Array
    goal: Array


Change = Callable[[Batch], Pixels]


def drawn_evenly(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most `most` rows at equal distances, from the first to the last, so that each class keeps about its share."""
    places = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)
    return rows.iloc[places].reset_index(drop=True)


def ask(subject: Subject, changes: Mapping[Trial, Change]) -> dict[Trial, pd.DataFrame]:
    """The model's predictions for the images as they are (`UNTOUCHED`) and after each change, as `predict_rows` gives
    them."""
    start, card = time.monotonic(), subject.card
    found: dict[Trial, list[pd.DataFrame]] = defaultdict(list)
    total = -(-len(subject.rows) // BATCH_SIZE) * (1 + len(changes))
    for trial, said in progress(_said(subject, changes), total, f"robustness {card.candidate} {card.phase}, batches"):
        found[trial].append(said)
    count = len(subject.rows) * len(found)
    say(
        f"robustness {card.candidate} {card.phase}: {count:,} images judged, "
        f"{1000 * (time.monotonic() - start) / count:.1f} s per 1,000"
    )
    return {trial: pd.concat(parts, ignore_index=True) for trial, parts in found.items()}


def _said(subject: Subject, changes: Mapping[Trial, Change]) -> Iterator[tuple[Trial, pd.DataFrame]]:
    card, raw = subject.card, subject.raw
    images = read_batches(subject.raw, subject.rows["path"].tolist(), subject.card.image, BATCH_SIZE)
    for number, part in enumerate(images):
        rows = subject.rows.iloc[number * BATCH_SIZE :][: len(part)]
        said = subject.model.probabilities(part)
        yield UNTOUCHED, answers(said, card, rows, raw)
        batch = _batch(subject, part, rows, said)
        for trial, change in changes.items():
            yield trial, answers(subject.model.probabilities(change(batch)), card, rows, raw)


def _batch(subject: Subject, images: Pixels, rows: pd.DataFrame, said: Float32s) -> Batch:
    card = subject.card
    if card.problem == "segmentation":
        truth: Array = read_masks(subject.raw, rows["mask"].tolist(), card.image, len(card.classes))[..., None]
    else:
        truth = targets(rows["label"], card.classes, card.problem)
    return Batch(images, truth, goals(truth, said, card.problem))


def examples(subject: Subject, untouched: pd.DataFrame, most: int) -> Batch:
    """Up to `most` images for a picture, at equal distances among those that the model knows, if it knows any.

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
    """The images as a picture shows them, and the label that the model predicts for each, with its confidence.

    In a segmentation problem the answer lies over the image, and the text names the class of most pixels.
    """
    said = subject.model.probabilities(images)
    card = subject.card
    if card.problem == "segmentation":
        masks = said.argmax(axis=-1).astype(np.uint8)
        pictures = [overlay(image, mask, card.classes) for image, mask in zip(images, masks, strict=True)]
        counts = [np.bincount(mask.ravel()) for mask in masks]
        texts = [f"{card.classes[count.argmax()]} {count.max() / count.sum():.1%}" for count in counts]
        return np.stack(pictures), texts
    rows = pd.DataFrame({"path": "", "split": "", "label": ""}, index=range(len(images)))
    found = answers(said, card, rows, subject.raw)
    pairs = zip(found["predicted"], found["confidence"], strict=True)
    return images, [f"{name or 'no label'} {share:.1%}" for name, share in pairs]
