"""Fine-tuning to a depth that validation chooses: each rung trains more layers than the one before."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
import pandas as pd

from transferline.arrays import Array
from transferline.metrics.cluster_variance import cluster_variance
from transferline.params import LinearTraining, Problem, Training
from transferline.problems.training import training_of
from transferline.progress import say
from transferline.training.batches import Batches
from transferline.training.best_epoch import best_epoch
from transferline.training.temperature import losses_at_best_temperature

OfRung = Mapping[str, float | str]


@dataclass(frozen=True)
class Rung:
    """One depth of fine-tuning.

    Attributes:
        boundary: the name of the first layer that is trained.
        model: takes the inputs of `data` and returns logits. The models of all rungs share their layers.
        data: training batches.
        validation: validation batches.
    """

    boundary: str
    model: keras.Model
    data: Batches
    validation: Batches


@dataclass(frozen=True)
class TrainedHead:
    """The training of the head that fine-tuning starts from.

    Attributes:
        history: a row for each epoch.
        best_epoch: the number of the epoch whose weights the head has.
    """

    history: pd.DataFrame
    best_epoch: int


@dataclass(frozen=True)
class Fitted:
    """A trained model.

    Attributes:
        history: a row for each epoch.
        best_epoch: the number of the epoch whose weights the model has.
        model: takes the inputs of `validation` and returns logits.
        validation: validation batches.
        trainable: the number of weights that were trained.
        boundary: the name of the first layer that was trained; empty if the model has no rungs, or no rung was kept.
    """

    history: pd.DataFrame
    best_epoch: int
    model: keras.Model
    validation: Batches
    trainable: int
    boundary: str = ""


# Trains a rung, from the number of its first epoch, with values that each row of the history gets. It leaves the
# weights of the best epoch in the model.
Fit = Callable[[Rung, int, OfRung], pd.DataFrame]


def climb(
    rungs: Sequence[Callable[[], Rung]],
    fit: Fit,
    problem: Problem,
    training: Training | LinearTraining,
    before: TrainedHead | None,
) -> Fitted:
    """Trains rungs in turn, each from the kept weights, until one is not better on validation.

    A rung is better if it lowers the mean log loss of the validation images, see `losses_at_best_temperature`. The
    first one must lower it by more than one standard error, see `standard_error`: the head is simpler, and a head by
    L-BFGS can be refitted on more images. A fine-tuned model is not simpler than a deeper one, so there the lower loss
    decides, even where validation has few groups. If a rung is not better, the weights from before it are restored, and
    deeper rungs are not tried. A single rung is always kept, and so is the first one on an untrained head.

    Args:
        rungs: functions that build a rung, from shallow to deep. Each is called when its turn comes.
        fit: trains a rung.
        problem: the kind of problem.
        training: the params.
        before: the training of the head; None if the head is untrained.

    Returns:
        The result; its history has the columns `rung`, from 1, and `boundary`.

    Raises:
        TransferlineError: a rung that must be kept has no epoch with a finite loss.
    """
    history, fitted, losses = pd.DataFrame(), None, None
    for number, build in enumerate(rungs, 1):
        rung, start = build(), next_epoch(before.history if before and history.empty else history)
        if number == 1 and before is not None and len(rungs) > 1:
            losses = _losses(rung, problem)
        weights = rung.model.get_weights()
        epochs = fit(rung, start, {"rung": number, "boundary": rung.boundary})
        history = pd.concat([history, epochs], ignore_index=True)
        found = _losses(rung, problem) if len(rungs) > 1 else None
        if losses is not None and found is not None and not _is_better(losses - found, rung, number):
            rung.model.set_weights(weights)
            if fitted is None and before is not None:
                fitted = Fitted(history, before.best_epoch, rung.model, rung.validation, 0)
            break
        trainable = count_trainable(rung.model)
        fitted = Fitted(history, best_epoch(epochs, training), rung.model, rung.validation, trainable, rung.boundary)
        losses = found
    assert fitted is not None, "there is a rung"
    return replace(fitted, history=history)


def next_epoch(history: pd.DataFrame) -> int:
    """Returns the number of the epoch after those of a history; 1 after an empty one."""
    return 1 if history.empty else int(history["epoch"].max()) + 1


def count_trainable(model: keras.Model) -> int:
    """Returns the number of weights that a training of the model changes."""
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def _losses(rung: Rung, problem: Problem) -> Array:
    """Returns the log loss of each validation image, (n,), see `losses_at_best_temperature`."""
    kind = training_of(problem)
    logits, targets = kind.held_out(rung.model, rung.validation)
    if not np.isfinite(logits).all():
        return np.full(len(logits), np.nan)
    return losses_at_best_temperature(kind, logits, targets)


def _is_better(gains: Array, rung: Rung, number: int) -> bool:
    gain, error = float(gains.mean()), standard_error(gains, rung.validation.groups)
    required = error if number == 1 else 0.0
    better = gain > required  # False if a value is NaN
    verdict = "kept" if better else "not kept, deeper ones are not tried"
    say(
        f"fine_tune: rung {number}, from {rung.boundary}: log loss on validation {-gain:+.4f}, standard error "
        f"{error:.4f}, must be below {-required:.4f}: {verdict}"
    )
    return better


def standard_error(values: Array, groups: Array) -> float:
    """Returns the standard error of the mean of `values`, (n,); infinite with fewer than two groups.

    Images of one group depend on each other, see `cluster_variance`.
    """
    sums = pd.Series(values - values.mean()).groupby(groups).sum()
    return math.sqrt(cluster_variance(sums.to_numpy())) / len(values)
