"""Losses compared with their formulas in NumPy; class weights, schedules and callbacks."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy.special import expit, log_softmax, softmax

from tests.tiny_training import TRAINING
from transferline.errors import TransferlineError
from transferline.params import Cosine, FineTuning, Focal, Training
from transferline.params.training import Adam, CrossEntropy
from transferline.problems.multilabel.training import MultilabelTraining, mean_average_precision
from transferline.problems.training import label_training_of, training_of
from transferline.training.batches import Batches, class_weight_vector
from transferline.training.callbacks import BestWeights, build_callbacks
from transferline.training.optimizers import build_optimizer

RANDOM = np.random.default_rng(0)
PLAIN, SMOOTH = CrossEntropy(kind="cross_entropy"), CrossEntropy(kind="cross_entropy", label_smoothing=0.2)
FOCAL, BOTH = Focal(kind="focal", gamma=2.0), Focal(kind="focal", gamma=0.5, label_smoothing=0.2)


def training(**changes: Any) -> Training:
    return Training.model_validate({**TRAINING, **changes})


def of_classes(truth: Any, logits: Any, loss: Any) -> Any:
    one_hot = np.eye(logits.shape[1])[truth[:, 0]]
    smooth = one_hot * (1 - loss.label_smoothing) + loss.label_smoothing / logits.shape[1]
    cross_entropy = -(smooth * log_softmax(logits, axis=1)).sum(axis=1)
    return cross_entropy * (1 - (one_hot * softmax(logits, axis=1)).sum(axis=1)) ** getattr(loss, "gamma", 0)


def of_labels(truth: Any, logits: Any, loss: Any) -> Any:
    smooth, p = truth * (1 - loss.label_smoothing) + loss.label_smoothing / 2, expit(logits)
    cross_entropy = -(smooth * np.log(p) + (1 - smooth) * np.log(1 - p))
    return cross_entropy * (1 - np.where(truth == 1, p, 1 - p)) ** getattr(loss, "gamma", 0)


@pytest.mark.parametrize("loss", [PLAIN, SMOOTH, FOCAL, BOTH], ids=["plain", "smooth", "focal", "both"])
@pytest.mark.parametrize("problem", ["binary", "multiclass", "multilabel"])
def test_a_loss_is_its_formula(problem: Any, loss: Any):
    logits = RANDOM.normal(0, 3, (7, 1 if problem == "binary" else 4)).astype(np.float32)
    truth = RANDOM.integers(0, 4 if problem == "multiclass" else 2, (7, 4 if problem == "multilabel" else 1))
    wanted = (of_classes if problem == "multiclass" else of_labels)(truth, logits.astype(float), loss)
    np.testing.assert_allclose(training_of(problem).loss(loss)(truth, logits), wanted, rtol=1e-4)


@pytest.mark.parametrize("problem", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_hardest_and_the_easiest_image_have_a_gradient_that_is_a_number(problem: Any, gamma: float):
    logits = tf.Variable([[60.0, -60.0], [-60.0, 60.0]] if problem != "binary" else [[60.0], [-60.0]])
    truth = np.array([[0], [0]], np.int32) if problem != "multilabel" else np.array([[0, 0], [0, 0]], np.float32)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(training_of(problem).loss(Focal(kind="focal", gamma=gamma))(truth, tf.identity(logits)))
    gradient = tape.gradient(value, logits).numpy()
    hardest = gradient[0, 0] if problem != "multiclass" else gradient[1, 1]
    assert np.isfinite(gradient).all() and hardest == pytest.approx(1, abs=0.01)


def test_weights_of_the_classes_of_a_multilabel_problem_weigh_the_whole_term():
    truth = RANDOM.integers(0, 2, (6, 3)).astype(np.float32)
    weights = np.array([1.0, 0.0, 5.0], np.float32)
    rows = pd.DataFrame({"path": [str(number) for number in range(6)]})
    inputs = RANDOM.normal(size=(6, 3)).astype(np.float32)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Identity()])
    model.compile(loss=training_of("multilabel").loss(PLAIN))
    loss = model.evaluate(Batches(rows, inputs.__getitem__, truth, weights, 6).dataset(), verbose=0)
    assert loss == pytest.approx((of_labels(truth, inputs, PLAIN) * weights).mean(), rel=1e-5)


@pytest.mark.parametrize("problem", ["binary", "multiclass"])
def test_weights_of_single_labels_weigh_images(problem: Any):
    truth = np.array([[0], [1], [1]], np.int32)
    inputs = RANDOM.normal(size=(3, 1 if problem == "binary" else 2)).astype(np.float32)
    model = keras.Sequential([keras.Input(inputs.shape[1:]), keras.layers.Identity()])
    model.compile(loss=training_of(problem).loss(PLAIN))
    rows = pd.DataFrame({"path": ["a", "b", "c"]})
    loss = model.evaluate(Batches(rows, inputs.__getitem__, truth, np.array([1.0, 3.0]), 3).dataset(), verbose=0)
    terms = (of_labels if problem == "binary" else of_classes)(truth, inputs, PLAIN).ravel()
    assert loss == pytest.approx((terms * [1, 3, 3]).mean(), rel=1e-5)


def test_class_weights_are_balanced_or_given_and_a_wrong_name_is_an_error():
    balanced = training(class_weights="balanced")
    counts = label_training_of("multiclass").class_counts(np.array([[0], [0], [0], [1]], np.int32), 3)
    np.testing.assert_allclose(class_weight_vector(balanced, counts[:2], ("a", "b")), [4 / 6, 4 / 2])
    several = np.array([[1, 1, 1], [0, 0, 1], [0, 0, 1]], np.float32)
    weights = class_weight_vector(balanced, label_training_of("multilabel").class_counts(several, 3), ("a", "b", "c"))
    np.testing.assert_allclose(weights, [5 / 3, 5 / 3, 5 / 9])
    with pytest.raises(
        TransferlineError, match="balanced needs an image of each class in train, but there is none of c"
    ):
        class_weight_vector(balanced, counts, ("a", "b", "c"))
    given = training(class_weights={"b": 3.0, "a": 1.0})
    assert class_weight_vector(given, counts[:2], ("a", "b")).tolist() == [1.0, 3.0]
    with pytest.raises(TransferlineError, match="names a, c; it must name each class: a, b"):
        class_weight_vector(training(class_weights={"a": 1.0, "c": 1.0}), counts[:2], ("a", "b"))


def test_the_learning_rate_warms_up_and_falls_along_half_a_cosine():
    schedule = {"kind": "cosine", "warmup_epochs": 2, "final_fraction": 0.1}
    optimizer = build_optimizer(training(epochs=6, schedule=schedule), steps=5)
    rates = []
    for step in (0, 5, 10, 20, 30, 99):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(rates, [0, 5e-4, 1e-3, 5.5e-4, 1e-4, 1e-4], rtol=1e-5, atol=1e-9)
    without = build_optimizer(training(epochs=6, schedule={"kind": "cosine"}), steps=5)
    assert float(without.learning_rate) == pytest.approx(1e-3)


@pytest.mark.parametrize(("warmup", "rates"), [(1, [0, 5e-4, 1e-3, 0]), (0, [1e-3, 9.93844e-4, 9.75528e-4, 0])])
def test_a_training_that_is_shortened_to_one_epoch_still_warms_up(warmup, rates):
    long = FineTuning(epochs=8, optimizer=Adam(name="adam"), schedule=Cosine(kind="cosine", warmup_epochs=warmup))
    optimizer = build_optimizer(long.with_epochs(1), steps=20)
    for step, rate in zip((0, 1, 2, 20), rates, strict=True):
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(rate, rel=1e-5, abs=1e-9)


def test_optimizers_take_momentum():
    name = {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9, "nesterov": True}
    optimizer = build_optimizer(training(optimizer=name), steps=1)
    assert (optimizer.momentum, optimizer.nesterov, float(optimizer.learning_rate)) == (0.9, True, pytest.approx(0.01))


@pytest.mark.parametrize(("decay", "kernel"), [(0.0, 1.0), (0.5, 0.95)])
def test_weight_decay_makes_kernels_smaller_and_leaves_biases(decay: float, kernel: float) -> None:
    name = {"name": "adam", "learning_rate": 0.1, "weight_decay": decay}
    optimizer = build_optimizer(training(optimizer=name), steps=1)
    layer = keras.layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")
    layer.build((None, 2))
    optimizer.apply([0 * weight for weight in layer.trainable_weights], layer.trainable_weights)
    found = [float(np.mean(weight)) for weight in layer.get_weights()]
    assert found == [pytest.approx(kernel), 1.0], "the gradients are 0"


def test_callbacks_are_those_of_the_params(tmp_path: Path):
    plateau = {"factor": 0.5, "patience": 2, "min_learning_rate": 1e-6}
    _, reduce = build_callbacks(training(reduce_on_plateau=plateau, monitor="val_accuracy"), [], tmp_path)
    assert (reduce.factor, reduce.patience, reduce.min_lr, reduce.monitor) == (0.5, 2, 1e-6, "val_accuracy")
    (only,) = build_callbacks(training(early_stopping=None), [], tmp_path)
    assert isinstance(only, BestWeights)


def test_figures_are_scikit_learns():
    logits = np.array([[2.0], [-1.0], [0.5]], np.float32)
    likely = label_training_of("binary").probabilities(logits)
    np.testing.assert_allclose(likely[:, 1], expit(logits[:, 0]))
    found = label_training_of("binary").figures(np.array([[1], [0], [0]]), likely)
    wanted = -np.log([expit(2), 1 - expit(-1), 1 - expit(0.5)]).mean()
    assert found == {"accuracy": pytest.approx(2 / 3), "log_loss": pytest.approx(wanted)}
    truth = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], np.float32)
    # ranks of the positives: 1 and 3 in the first class, 1 and 2 in the second; the third has none
    scores = np.array([[0.9, 0.1, 0.5], [0.8, 0.7, 0.5], [0.3, 0.6, 0.5]])
    assert mean_average_precision(truth, scores) == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    floor = MultilabelTraining().majority_figures(truth, truth[:2], 3)
    assert floor["mean_average_precision"] == pytest.approx(0.5)
    assert floor["log_loss"] == pytest.approx(-np.log([2 / 3, 1 / 3, 1, 1 / 3, 2 / 3, 1]).mean(), rel=1e-5)
