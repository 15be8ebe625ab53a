import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from transferline.errors import TransferlineError
from transferline.params import Training
from transferline.problems.training import training_of
from transferline.training.batches import Batches, reading
from transferline.training.callbacks import EpochRecorder, build_callbacks
from transferline.training.compiled_epochs import SeveralBatches
from transferline.training.optimizers import build_optimizer
from transferline.training.training_job import make_deterministic

SETTINGS = {
    "epochs": 12,
    "batch_size": 8,
    "optimizer": {"name": "adam", "learning_rate": 0.1},
    "schedule": {"kind": "cosine", "warmup_epochs": 1},
    "class_weights": "none",
    "monitor": "val_loss",
    "early_stopping": {"patience": 3},
    "reduce_on_plateau": None,
}


def fitted(tmp_path, views_at_once: int) -> tuple[keras.Model, dict[str, list[float]]]:
    """A head with dropout and batch normalisation, weighted classes, a schedule and early stopping."""
    make_deterministic(7)
    random, training = np.random.default_rng(7), Training.model_validate(SETTINGS)
    truth = random.integers(0, 3, (90, 1)).astype(np.int32)
    inputs = (np.eye(3)[truth[:, 0]] + random.normal(size=(90, 3))).astype(np.float32)
    rows, weights = pd.DataFrame({"path": map(str, range(90))}), np.array([1.0, 2.0, 0.5], np.float32)
    data = Batches(rows[:61], inputs.__getitem__, truth[:61], weights, 8, 7, views_at_once=views_at_once)
    held = Batches(rows[61:], inputs.__getitem__, truth[61:], np.ones(3), 8, views_at_once=views_at_once)
    layers = [
        keras.layers.Dense(8),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(3),
    ]
    network = keras.Sequential([keras.Input((3,)), *layers])
    model = (SeveralBatches if views_at_once else keras.Model)(network.inputs, network.outputs[0])
    model.batch_size = 8
    metric = keras.metrics.SparseCategoricalAccuracy("accuracy")
    model.compile(
        build_optimizer(training, data.batches_per_epoch),
        training_of("multiclass").loss(training.loss),
        metrics=[metric],
    )
    recorder = EpochRecorder({"phase": "head"}, "accuracy", 1, 12, 61, lambda row: None)
    callbacks = [recorder, *build_callbacks(training, recorder.rows, tmp_path)]
    steps = {"steps_per_epoch": len(data), "validation_steps": len(held), "shuffle": False}
    watched = {"validation_data": held.dataset(), "callbacks": callbacks}
    fit = model.fit(data.dataset(1, 12), epochs=12, **steps, **watched, verbose=0)
    return model, fit.history


@pytest.mark.slow
def test_batches_in_one_call_train_and_score_as_batches_one_by_one(tmp_path):
    plain, wanted = fitted(tmp_path, 0)
    assert 3 < len(wanted["loss"]) < 12, "early stopping has something to do"
    model, found = fitted(tmp_path, 28)  # whole batches: 24
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, err_msg=name)
    for weight, other in zip(plain.weights, model.weights, strict=True):
        np.testing.assert_allclose(other, weight, rtol=1e-3, atol=1e-5, err_msg=weight.path)
    assert int(model.optimizer.iterations) == len(wanted["loss"]) * 8


def test_a_dataset_holds_epoch_after_epoch_and_never_waits_for_the_tuner_of_tensorflow():
    rows = pd.DataFrame({"path": map(str, range(10))})
    batches = Batches(rows, lambda at: at.astype(np.float32), np.zeros((10, 1), np.int32), np.ones(1), 4, 7)
    dataset = batches.dataset(2, 2)
    assert dataset.options().autotune.enabled is False
    found = [inputs.numpy().tolist() for inputs, _, _ in dataset]
    assert found == [inputs.tolist() for epoch in (2, 3) for inputs, _, _ in batches.items(epoch)]
    assert found[:3] != found[3:] and sorted(np.concatenate(found[:3])) == list(range(10))


def test_an_error_while_batches_are_read_is_raised_as_it_is() -> None:
    def read(positions):
        if positions.max() > 8:
            raise TransferlineError("b.png cannot be read")
        return np.zeros((len(positions), 3), np.float32)

    rows, truth = pd.DataFrame({"path": list("abcdefghijkl")}), np.zeros((12, 1), np.int32)
    batches = Batches(rows, read, truth, np.ones(2), 4)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(TransferlineError, match=r"b\.png cannot be read"):
        batches.predict(model)
    with pytest.raises(TransferlineError, match=r"b\.png cannot be read"), reading(batches):
        model.fit(batches.dataset(), steps_per_epoch=len(batches), shuffle=False, verbose=0)
    with pytest.raises(tf.errors.OpError), reading(Batches(rows, read, truth, np.ones(2), 4)):
        model.fit(batches.dataset(), steps_per_epoch=len(batches), shuffle=False, verbose=0)
