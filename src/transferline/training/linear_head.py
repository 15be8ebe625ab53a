"""A linear layer on fixed features, solved by L-BFGS for each strength of L2; validation chooses the strength."""

import time
from dataclasses import dataclass

import keras
import numpy as np
import pandas as pd

from transferline.arrays import Array
from transferline.errors import TransferlineError
from transferline.params import LinearTraining, Problem
from transferline.params.problem_kinds import KINDS
from transferline.problems.training import TrainingOfLabels, label_training_of
from transferline.progress import say
from transferline.training.batches import Batches
from transferline.training.best_epoch import best_epoch, is_finite
from transferline.training.callbacks import EpochListener

MAX_BYTES = 2 * 10**9
SOLVER = {"maxiter": 1000, "maxcor": 20, "gtol": 1e-6, "ftol": 1e-9}  # for the mean loss, computed in float32


@dataclass(frozen=True)
class _Split:
    """The data of a split.

    Attributes:
        features: (n, values).
        targets: as in `Batches`.
        truth: 0 or 1 for each output, (n, outputs).
        weights: of the loss, (n, 1) or (n, outputs).
    """

    features: Array
    targets: Array
    truth: Array
    weights: Array


def fit_linear(
    model: keras.Model,
    training: LinearTraining,
    problem: Problem,
    data: Batches,
    validation: Batches,
    listener: EpochListener,
) -> pd.DataFrame:
    """Computes kernel and bias of `logits` for each strength of L2, and gives the model the best ones on validation.

    It minimizes the sum of the weighted cross-entropy over views, plus l2 / 2 times the squared norm of the kernel.
    This function is convex. L-BFGS solves it for the strongest penalty first; each solution starts from the one before
    (Liu and Nocedal, On the limited memory BFGS method for large scale optimization, Mathematical Programming, 1989).

    Args:
        model: ends with the dense layer `logits`, the only one with weights.
        training: the strengths, and the metric that chooses between them.
        problem: decides whether the logits are independent of each other.
        data: training batches, with the weights of the classes.
        validation: validation batches.
        listener: is called with each row.

    Returns:
        A row per strength: phase, epoch (its position, from 1), loss without the penalty, the main metric, the same
        two on validation with the prefix val_, l2, iterations, seconds.

    Raises:
        TransferlineError: the features take more than `MAX_BYTES`, or no loss is finite.
    """
    from threadpoolctl import threadpool_limits

    kind, main_metric = label_training_of(problem), KINDS[problem].main_metric
    logits = model.get_layer("logits")
    _check_size(data.views_per_epoch + validation.views_per_epoch, logits.input.shape[1])
    train, held_out = (_gather(model, batches, kind) for batches in (data, validation))
    mean = train.features.mean(axis=0, dtype=np.float64)
    for split in (train, held_out):  # centred features: the same optimum in half of the iterations
        np.subtract(split.features, mean, out=split.features, casting="same_kind")
    rows: list[dict[str, float | str]] = []
    weights, solutions = np.zeros((len(mean) + 1, logits.units)), []
    for place, l2 in enumerate(sorted(training.optimizer.l2, reverse=True), 1):
        start = time.perf_counter()
        # one thread: the same bits on any number of cores, and no waiting thread keeps a core busy
        with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore"):  # losses are checked below
            weights, iterations = _solve(weights, train, l2, kind)
            of_train, of_validation = (_figures(weights, split, kind, main_metric) for split in (train, held_out))
            shown = of_train | {f"val_{name}": value for name, value in of_validation.items()}
        solutions.append(weights)
        seconds = time.perf_counter() - start
        rows.append({"phase": "head", "epoch": place, **shown, "l2": l2, "iterations": iterations, "seconds": seconds})
        listener(rows[-1])
        text = "  ".join(f"{name} {value:.4f}" for name, value in shown.items())
        say(f"head: l2 {l2:g}, {place} of {len(training.optimizer.l2)}  {text}  {seconds:.1f} s")
        if not is_finite(rows[-1], training.monitor):
            break
    history = pd.DataFrame(rows)
    _set_weights(logits, solutions[best_epoch(history, training) - 1], mean)
    return history


def refit_linear(model: keras.Model, l2: float, problem: Problem, data: Batches) -> None:
    """Computes kernel and bias of `logits` for one strength of L2, and gives them to the model.

    Args:
        model, problem: as in `fit_linear`.
        l2: the strength.
        data: training batches.
    """
    from threadpoolctl import threadpool_limits

    logits, kind = model.get_layer("logits"), label_training_of(problem)
    train = _gather(model, data, kind)
    mean = train.features.mean(axis=0, dtype=np.float64)
    np.subtract(train.features, mean, out=train.features, casting="same_kind")
    kernel, bias = logits.get_weights()
    with threadpool_limits(1):
        weights, _ = _solve(np.vstack([kernel, bias + mean @ kernel]), train, l2, kind)
    _set_weights(logits, weights, mean)


def _set_weights(logits: keras.layers.Layer, weights: Array, mean: Array) -> None:
    """Gives the layer weights, (values + 1, outputs), that were computed on features less their `mean`."""
    kernel, bias = np.split(weights, [-1])
    logits.set_weights([kernel, bias[0] - mean @ kernel])


def _check_size(views: int, values: int) -> None:
    size = 4 * views * values
    if size > MAX_BYTES:
        raise TransferlineError(
            f"optimizer lbfgs holds all features in memory: {views} views of {values} values take {size / 1e9:.1f} GB, "
            f"allowed are {MAX_BYTES / 1e9:g} GB; set another optimizer, extract.head_views to untouched, or "
            "backbone.pooling to avg"
        )


def _gather(model: keras.Model, batches: Batches, kind: TrainingOfLabels) -> _Split:
    """Joins all batches of an epoch, as inputs of the layer `logits` of the model."""
    logits = model.get_layer("logits")
    vectors = keras.Model(model.input, logits.input)
    features = np.empty((batches.views_per_epoch, vectors.output.shape[1]), np.float32)
    parts, end = [], 0
    for inputs, *part in batches.items():
        parts.append(part)
        start, end = end, end + len(part[0])
        features[start:end] = vectors(inputs)
    targets, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Split(features, targets, kind.indicators(targets, logits.units), weights)


def _solve(start: Array, train: _Split, l2: float, kind: TrainingOfLabels) -> tuple[Array, int]:
    """Returns the optimum, kernel above bias (values + 1, outputs), and the number of iterations from `start`."""
    from scipy.optimize import minimize

    views = len(train.features)

    def objective(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(start.shape)
        losses, slopes = _losses(weights, train, kind)
        slopes = train.weights * slopes
        gradient = np.vstack([train.features.T @ slopes, slopes.sum(axis=0)]).astype(np.float64)
        gradient[:-1] += l2 * weights[:-1]
        penalty = l2 / 2 * np.square(weights[:-1]).sum()
        return (losses.sum(dtype=np.float64) + penalty) / views, gradient.ravel() / views

    found = minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options=SOLVER)
    return found.x.reshape(start.shape), int(found.nit)


def _logits(weights: Array, features: Array) -> Array:
    single = weights.astype(np.float32)
    return np.asarray(features @ single[:-1] + single[-1])


def _losses(weights: Array, split: _Split, kind: TrainingOfLabels) -> tuple[Array, Array]:
    """Returns weighted cross-entropies, and the gradients of the unweighted ones with respect to the logits.

    See `TrainingOfLabels`.
    """
    losses, slopes = kind.cross_entropies(_logits(weights, split.features), split.truth)
    return split.weights * losses, slopes


def _figures(weights: Array, split: _Split, kind: TrainingOfLabels, main_metric: str) -> dict[str, float]:
    likely = kind.probabilities(_logits(weights, split.features))
    loss = float(_losses(weights, split, kind)[0].mean(dtype=np.float64))
    return {"loss": loss, main_metric: kind.figures(split.targets, likely)[main_metric]}
