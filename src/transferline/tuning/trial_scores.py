"""Trains what a trial describes, in this process, and predicts the validation images."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from transferline.datasets.tables import ImageTable
from transferline.datasets.views import draw_views
from transferline.errors import TransferlineError
from transferline.evaluation.scoring import score
from transferline.metrics.metric_table import Metric
from transferline.models.exported import ModelCard, Phase
from transferline.models.layers import build_layers
from transferline.params import Augment, LinearTraining, Monitor, Params, Pretrained, Training
from transferline.params.problem_kinds import KINDS
from transferline.problems.evaluation import evaluation_of
from transferline.problems.metric_choice import metric_table
from transferline.problems.training import label_training_of
from transferline.training.bank import Bank
from transferline.training.best_epoch import is_finite
from transferline.training.callbacks import EpochListener
from transferline.training.decision_rules import decide_on_validation
from transferline.training.fill_bank import extract
from transferline.training.fine_tuning import fine_tune
from transferline.training.head_training import train_head
from transferline.training.linear_head import fit_linear
from transferline.training.streamed_bank import open_bank
from transferline.training.training_job import Job, make_batches, make_deterministic
from transferline.tuning.folds import split_of_views
from transferline.tuning.search_space import NAME


@dataclass(frozen=True)
class Data:
    """What all trials share.

    Attributes:
        params: the whole params.
        raw: the folder of the images.
        divisions: see `repeated_splits`.
        scratch: a folder for files that are deleted after the trial.
    """

    params: Params
    raw: Path
    divisions: list[ImageTable]
    scratch: Path

    def job(self, candidate: Pretrained, phase: Phase, folder: Path, listener: EpochListener) -> Job:
        """Returns the job of a stage of a candidate, as the stage itself makes it."""
        card = ModelCard(
            candidate=NAME,
            phase=phase,
            problem=self.params.data.problem,
            classes=self.divisions[0].classes,
            image=candidate.image,
            max_pixels=self.params.validate_.max_pixels,
        )
        training = candidate.train_head if phase == "head" else candidate.fine_tune
        assert training is not None
        if isinstance(training, Training):  # the logs of the winner's own training stay
            training = training.model_copy(update={"tensorboard": False})
        return Job(training, self.params.thresholds, card, self.params.seed, folder, listener)

    @property
    def metric(self) -> Metric:
        """The metric `select.metric`."""
        return metric_table(self.params.data.problem, self.params.evaluate)[self.params.select.metric]

    @property
    def main_metric(self) -> str:
        """The name of the metric after each epoch of a training."""
        return KINDS[self.params.data.problem].main_metric

    @property
    def perfect(self) -> float:
        """The highest `value` that any predictions can have; infinite if `select.metric` has no bounds."""
        if not self.metric.is_bounded:
            return math.inf
        return 0.0 if self.metric.is_loss else 1.0

    def shown(self, value: float) -> float:
        """Returns `select.metric`, without the opposite sign, from what `value` returned."""
        return -value if self.metric.is_loss else value

    def value(self, predictions: pd.DataFrame) -> float:
        """Returns `select.metric` of predictions, with the opposite sign for a loss: the highest is the best.

        Raises:
            TransferlineError: the metric is not defined for these images.
        """
        params = self.params
        images = evaluation_of(params.data.problem).images(predictions, self.divisions[0].classes)
        value = float(self.metric.figure(images)(np.ones((1, len(images))))[0])
        if np.isnan(value):
            raise TransferlineError(
                f"select.metric: {params.select.metric} is not defined, because validation has no image of some class; "
                "choose another metric, or add images"
            )
        return -value if self.metric.is_loss else value


def score_head(data: Data, candidate: Pretrained) -> list[pd.DataFrame]:
    """Trains a head on each division; the bank is computed once.

    Returns:
        For each division the predictions for its validation images, see `EvaluationOfKind.rate`.
    """
    whole = data.divisions[0].rows.assign(split="train")
    views = draw_views(ImageTable(whole, data.divisions[0].classes), data.params.augment)
    with TemporaryDirectory(dir=data.scratch) as folder:
        extract(data.raw, views, candidate, data.params.data.problem, Path(folder))
        bank = open_bank(Path(folder), data.raw, candidate)
        return [_head_on(data, candidate, division, bank, Path(folder)) for division in data.divisions]


def _head_on(data: Data, candidate: Pretrained, division: ImageTable, bank: Bank, folder: Path) -> pd.DataFrame:
    split = split_of_views(bank.table.rows, division)
    bank = replace(bank, table=ImageTable(bank.table.rows.assign(split=split), bank.table.classes))
    job = data.job(candidate, "head", folder, lambda row: None)
    kind, card = label_training_of(job.card.problem), job.card
    make_deterministic(job.seed)
    head = build_layers(bank.features, candidate.layers, card.problem, len(card.classes))
    rows = bank.rows("head", "validation")
    read = partial(bank.gather, "features")
    train, validation = make_batches(job, bank.rows("head", "train"), rows, read, one_view_per_image=False)
    assert isinstance(job.training, LinearTraining)
    fit_linear(head, job.training, card.problem, train, validation, job.listener)
    card = decide_on_validation(card, job.thresholds, head, validation)
    likely = kind.probabilities(validation.predict(head) / card.temperature)
    return evaluation_of(card.problem).rate(likely, card, rows, data.raw)


def score_candidate(
    data: Data, candidate: Pretrained, augment: Augment, division: ImageTable, report: Callable[[float], None]
) -> pd.DataFrame:
    """Trains a candidate by the functions of the stages, and predicts by its better model, as `select` chooses it.

    Args:
        data: what all trials share.
        candidate: to train.
        augment: the section `augment`.
        division: the images for train and validation.
        report: is called with the main metric on validation after each epoch, or with NaN if the loss is not finite;
            it may raise an exception to stop the training.

    Returns:
        The predictions for the validation images, see `EvaluationOfKind.rate`.
    """
    last = candidate.fine_tune or candidate.train_head
    assert last is not None
    listener = partial(_report, report, f"val_{data.main_metric}", last.monitor)
    with TemporaryDirectory(dir=data.scratch) as name:
        folder = Path(name)
        head, fine_tuned = folder / "head", folder / "fine_tune"
        extract(data.raw, draw_views(division, augment), candidate, data.params.data.problem, folder / "bank")
        bank = open_bank(folder / "bank", data.raw, candidate)
        if candidate.train_head:
            of_head = listener if last is candidate.train_head else lambda row: None
            train_head(bank, candidate, data.job(candidate, "head", head, of_head))
        if candidate.fine_tune:
            job = data.job(candidate, "fine_tune", fine_tuned, listener)
            fine_tune(bank, candidate, head if candidate.train_head else None, job, data.raw)
        models = [*([head] if candidate.train_head else []), *([fine_tuned] if candidate.fine_tune else [])]
        return max((score(model, data.raw, division.of_split("validation")) for model in models), key=data.value)


def _report(report: Callable[[float], None], metric: str, monitor: Monitor, row: dict[str, float | str]) -> None:
    report(float(row[metric]) if is_finite(row, monitor) else math.nan)
