"""Logits on fixed features, solved to the optimum by L-BFGS for each L2 strength; validation chooses the strength."""

import time
from dataclasses import dataclass

import keras
import numpy as np
import pandas as pd

from transferline.arrays import Array
from transferline.errors import TransferlineError
from transferline.metrics.headline import METRIC
from transferline.params import LinearTraining, Problem
from transferline.progress import say
from transferline.training.batches import Batches
from transferline.training.callbacks import EpochListener
from transferline.training.validation_metrics import best_epoch, figures, to_probabilities

MAX_BYTES = 2 * 10**9
SOLVER = {"maxiter": 1000, "maxcor": 20, "gtol": 1e-6, "ftol": 1e-9}  # of the mean loss, computed in float32


@dataclass(frozen=True)
class _Split:
    """Features (n, values), targets as batches give them, 0 or 1 for each output (n, outputs), and weights (n, 1) or
    (n, outputs) of the loss."""

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
    """Finds the kernel and bias of `logits` for each L2 strength, and leaves the model with the best on validation.

    The sum over views of the weighted cross-entropy plus l2 / 2 times the squared norm of the kernel is convex.
    L-BFGS (Liu and Nocedal, On the limited memory BFGS method for large scale optimization, Mathematical Programming,
    1989) goes from the strongest penalty to the weakest, each from the optimum of the one before.

    Args:
        model: ends with the dense layer `logits`, the only one with weights.
        training: strengths, and what chooses between them.
        problem: the logits of binary and multilabel problems are independent of each other.
        data: training batches, with the weights of the classes.
        validation: validation batches.
        listener: is given each row.

    Returns:
        A row per strength: phase, epoch (its place, from 1 on), loss without the penalty, the problem's `METRIC`, the
        same two of validation as val_…, l2, iterations, seconds.

    Raises:
        TransferlineError: the features take more than `MAX_BYTES`.
    """
    from threadpoolctl import threadpool_limits

    logits = model.get_layer("logits")
    _check_size(data.views_per_epoch + validation.views_per_epoch, logits.input.shape[1])
    vectors = keras.Model(model.input, logits.input)
    train, held_out = (_gather(vectors, batches, logits.units, problem) for batches in (data, validation))
    mean = train.features.mean(axis=0, dtype=np.float64)
    for split in (train, held_out):  # the optimum stays where it is, and is found in half of the iterations
        np.subtract(split.features, mean, out=split.features, casting="same_kind")
    rows: list[dict[str, float | str]] = []
    weights, solutions = np.zeros((len(mean) + 1, logits.units)), []
    for place, l2 in enumerate(sorted(training.optimizer.l2, reverse=True), 1):
        start = time.perf_counter()
        # one thread: the same bits on any number of cores, and none that spins while other processes want its core
        with threadpool_limits(1):
            weights, iterations = _solve(weights, train, l2, problem)
            of_validation = {f"val_{name}": value for name, value in _figures(weights, held_out, problem).items()}
            shown = _figures(weights, train, problem) | of_validation
        solutions.append(weights)
        seconds = time.perf_counter() - start
        rows.append({"phase": "head", "epoch": place, **shown, "l2": l2, "iterations": iterations, "seconds": seconds})
        listener(rows[-1])
        text = "  ".join(f"{name} {value:.4f}" for name, value in shown.items())
        say(f"head: l2 {l2:g}, {place} of {len(training.optimizer.l2)}  {text}  {seconds:.1f} s")
    history = pd.DataFrame(rows)
    kernel, bias = np.split(solutions[best_epoch(history, training.monitor) - 1], [-1])
    logits.set_weights([kernel, bias[0] - mean @ kernel])
    return history


def _check_size(views: int, values: int) -> None:
    size = 4 * views * values
    if size > MAX_BYTES:
        raise TransferlineError(
            f"optimizer lbfgs holds all features in memory: {views} views of {values} values are {size / 1e9:.1f} GB, "
            f"allowed are {MAX_BYTES / 1e9:g} GB; take another optimizer, or give extract.head_views: untouched or "
            "backbone.pooling: avg"
        )


def _gather(vectors: keras.Model, batches: Batches, outputs: int, problem: Problem) -> _Split:
    """All batches of an epoch in one."""
    features = np.empty((batches.views_per_epoch, vectors.output.shape[1]), np.float32)
    parts, end = [], 0
    for inputs, *part in batches.items():
        parts.append(part)
        start, end = end, end + len(part[0])
        features[start:end] = vectors(inputs)
    targets, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    is_multiclass = problem == "multiclass"
    truth = np.eye(outputs, dtype=np.float32)[targets[:, 0]] if is_multiclass else targets.astype(np.float32)
    return _Split(features, targets, truth, weights)


def _solve(start: Array, train: _Split, l2: float, problem: Problem) -> tuple[Array, int]:
    """The optimum, kernel above bias (values + 1, outputs), and how many iterations it took from `start`."""
    from scipy.optimize import minimize

    views = len(train.features)

    def objective(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(start.shape)
        losses, slopes = _losses(weights, train, problem)
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


def _losses(weights: Array, split: _Split, problem: Problem) -> tuple[Array, Array]:
    """Weighted cross-entropies, (n, 1) in a multiclass problem and else (n, outputs), and the slopes of the unweighted
    ones by the logits, (n, outputs)."""
    from scipy.special import expit, logsumexp, softmax

    logits, truth = _logits(weights, split.features), split.truth
    if problem == "multiclass":
        losses = logsumexp(logits, axis=1, keepdims=True) - (logits * truth).sum(axis=1, keepdims=True)
        return split.weights * losses, softmax(logits, axis=1) - truth
    return split.weights * (np.logaddexp(0, logits) - truth * logits), expit(logits) - truth


def _figures(weights: Array, split: _Split, problem: Problem) -> dict[str, float]:
    likely = to_probabilities(_logits(weights, split.features), problem)
    loss = float(_losses(weights, split, problem)[0].mean(dtype=np.float64))
    return {"loss": loss, METRIC[problem]: figures(split.targets, likely, problem)[METRIC[problem]]}
