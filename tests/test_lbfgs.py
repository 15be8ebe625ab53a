"""Heads solved by L-BFGS: the optimum, the choice of the L2 strength, and the files that are written."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from tests.tiny_training import TRAINING, candidate, frozen, job, lite0, make_data, with_two_labels
from transferline.datasets.images import read_batch
from transferline.datasets.tables import ImageTable
from transferline.errors import TransferlineError
from transferline.evaluation.dvc_metrics_and_plots import CURVES
from transferline.models.exported import both_columns, load_keras_model, load_model, read_card, write_card
from transferline.params import Pretrained, Thresholds
from transferline.prediction.named_model import open_model
from transferline.problems.label_predictions import predict_images
from transferline.problems.training import label_training_of
from transferline.training import linear_head as linear
from transferline.training.bank import Bank, read_bank
from transferline.training.fill_bank import extract
from transferline.training.fine_tuning import fine_tune
from transferline.training.head_training import train_head


def lbfgs(*l2: float, **changes: Any) -> dict[str, Any]:
    return {"optimizer": {"name": "lbfgs", "l2": l2}, "class_weights": "none", "monitor": "val_loss", **changes}


def linear_head(training: dict[str, Any], **changes: Any) -> Pretrained:
    return frozen(layers=(), train_head=training, **changes)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ImageTable]:
    return make_data(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def bank(data: tuple[Path, ImageTable], tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """The features of three colours; few enough green ones for class weights to matter."""
    raw, views = data
    number = views.rows["path"].str.extract(r"(\d+)\.png")[0].astype(int)
    few = ImageTable(views.rows[(views.rows["label"] != "green") | (number < 20)], views.classes)
    folder = tmp_path_factory.mktemp("bank")
    extract(raw, few, linear_head(lbfgs(1.0)), "multiclass", folder)
    return read_bank(folder)


def as_problem(bank: Bank, problem: str) -> Bank:
    """The bank with the labels of another kind of problem."""
    if problem == "binary":
        rows = bank.table.rows.replace({"label": {"red": "green"}})
        return replace(bank, table=ImageTable(rows, bank.table.classes[:2]))
    return replace(bank, table=with_two_labels(bank.table)) if problem == "multilabel" else bank


def fit(bank: Bank, training: dict[str, Any], folder: Path, problem: Any = "multiclass") -> tuple[Any, pd.DataFrame]:
    section = linear_head(training)
    summary = train_head(bank, section, job(section.train_head, folder, "head", problem))
    return summary, pd.read_csv(folder / "history.csv")


def split(bank: Bank, name: Any, problem: Any) -> tuple[np.ndarray, np.ndarray]:
    rows = bank.rows("head", name)
    return bank.gather("features", rows.index.to_numpy()), label_training_of(problem).targets(
        rows["label"], bank.table.classes
    )


def answers(bank: Bank, folder: Path, problem: Any) -> np.ndarray:
    """Probabilities of the validation views by the head that was written."""
    head = keras.saving.load_model(folder / "head.keras", compile=False)
    return label_training_of(problem).probabilities(np.asarray(head(split(bank, "validation", problem)[0])))


def by_scikit_learn(bank: Bank, l2: float, problem: Any, weights: Any = None) -> np.ndarray:
    """The same of scikit-learn's optimum; in a multilabel problem of a regression for each label."""
    (features, labels), (held_out, _) = split(bank, "train", problem), split(bank, "validation", problem)

    def regression(column: np.ndarray, weight: Any) -> np.ndarray:
        model = LogisticRegression(C=1 / l2, tol=1e-9, max_iter=5000, class_weight=weight)
        with threadpool_limits(1):
            return model.fit(features.astype(np.float64), column).predict_proba(held_out.astype(np.float64))

    if problem != "multilabel":
        return regression(labels[:, 0], weights)
    pairs = zip(labels.T, weights or [1.0] * labels.shape[1], strict=True)
    return np.stack([regression(column, {0: weight, 1: weight})[:, 1] for column, weight in pairs], axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["binary", "multiclass", "multilabel"])
def test_the_head_is_the_optimum_of_scikit_learn(bank, tmp_path, problem):
    bank = as_problem(bank, problem)
    summary, history = fit(bank, lbfgs(3.0), tmp_path, problem)
    expected = by_scikit_learn(bank, 3.0, problem)
    assert np.abs(expected - expected.mean(axis=0)).mean() > 0.01, "the images are told apart"
    np.testing.assert_allclose(answers(bank, tmp_path, problem), expected, atol=2e-3)
    truth = split(bank, "validation", problem)[1]
    likely = expected if problem == "multilabel" else np.take_along_axis(expected, truth, axis=1)
    right = np.where(truth == 1, likely, 1 - likely) if problem == "multilabel" else likely
    assert history["val_loss"].item() == pytest.approx(-np.log(right).mean(), abs=2e-3)
    assert summary.trainable == 1281 * {"binary": 1, "multiclass": 3, "multilabel": 3}[problem]
    assert (read_card(tmp_path).thresholds is None) == (problem != "multilabel")


@pytest.mark.slow
def test_both_files_hold_the_temperature_and_the_head_does_not(data, bank, tmp_path):
    fit(bank, lbfgs(300.0), tmp_path)
    card, rows = read_card(tmp_path), bank.rows("head", "validation")
    assert abs(np.log(card.temperature)) > 0.05 and card.rejection is None
    images = read_batch(data[0], rows["path"].tolist(), card.image)
    logits = np.asarray(
        keras.saving.load_model(tmp_path / "head.keras", compile=False)(split(bank, "validation", "multiclass")[0])
    )
    expected = label_training_of("multiclass").probabilities(logits / card.temperature)
    by_keras = both_columns(load_keras_model(tmp_path)(images))
    np.testing.assert_allclose(by_keras, expected, atol=5e-3)
    np.testing.assert_allclose(load_model(tmp_path).probabilities(images), by_keras, atol=1e-5)


@pytest.mark.slow
def test_a_model_that_may_be_unsure_from_training_to_prediction(data, bank, tmp_path):
    """24 validation images cannot promise 2 %; what they promise is in force in `predict`."""
    section = linear_head(lbfgs(3000.0))
    settings = replace(
        job(section.train_head, tmp_path, "head", "multiclass"), thresholds=Thresholds(reject={"error": 0.02})
    )
    train_head(bank, section, settings)
    card = read_card(tmp_path)
    assert card.rejection.images == 24 and 0.1 < card.rejection.error < 0.5 and card.rejection.possible_limit == 0
    higher = card.rejection.model_copy(update={"limit": 0.999})
    write_card(card.model_copy(update={"rejection": higher}), tmp_path)
    opened = open_model(str(tmp_path))
    files = [data[0] / path for path in bank.rows("head", "validation")["path"]]
    found = list(predict_images(opened.card, opened.model, files))
    assert {one.reason for one in found} == {"unsure"} and {one.label for one in found} == {None}
    assert all(len(one.possible_labels) == 3 for one in found), "of 24 images all labels remain"


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["multiclass", "multilabel"])
def test_class_weights_weigh_the_terms_of_the_loss(bank, tmp_path, problem):
    bank = as_problem(bank, problem)
    given = {"blue": 0.2, "green": 5.0, "red": 1.0}
    fit(bank, lbfgs(300.0, class_weights=given), tmp_path, problem)
    weights = list(given.values()) if problem == "multilabel" else dict(enumerate(given.values()))
    expected = by_scikit_learn(bank, 300.0, problem, weights)
    np.testing.assert_allclose(answers(bank, tmp_path, problem), expected, atol=2e-3)
    assert np.abs(expected - by_scikit_learn(bank, 300.0, problem)).max() > 0.05


@pytest.mark.slow
def test_validation_alone_chooses_the_strength_and_train_alone_the_weights(bank, tmp_path):
    rows = bank.table.rows.copy()
    held_out = rows["split"] == "validation"
    rows.loc[held_out, "label"] = np.roll(rows.loc[held_out, "label"], 8)
    wrong = replace(bank, table=ImageTable(rows, bank.table.classes))
    both = lbfgs(1.0, 1e6)
    (right_summary, right_rows), (wrong_summary, wrong_rows) = (
        fit(chosen, both, tmp_path / name) for chosen, name in ((bank, "right"), (wrong, "wrong"))
    )
    assert right_rows["l2"].tolist() == wrong_rows["l2"].tolist() == [1e6, 1.0], "from the strongest on"
    assert (right_summary.best_epoch, wrong_summary.best_epoch) == (2, 1)
    assert right_rows["loss"].tolist() == wrong_rows["loss"].tolist()
    for folder, l2 in (("right", 1.0), ("wrong", 1e6)):
        expected = by_scikit_learn(bank, l2, "multiclass")
        np.testing.assert_allclose(answers(bank, tmp_path / folder, "multiclass"), expected, atol=2e-3)


@pytest.mark.thorough
def test_the_same_again_is_the_same_bit_for_bit(bank, tmp_path):
    for name in ("first", "second"):
        fit(bank, lbfgs(100.0, 1.0), tmp_path / name)
    first, second = (load_keras_model(tmp_path / name).get_weights() for name in ("first", "second"))
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.slow
def test_the_exported_model_answers_for_images_and_fine_tuning_goes_on_from_it(data, tmp_path):
    raw, views = data
    slow = {**TRAINING, "epochs": 1, "optimizer": {"name": "adam", "learning_rate": 1e-7}}
    section = candidate(layers=(), train_head=lbfgs(10.0, 1.0), fine_tune=slow)
    extract(raw, views, section, "multiclass", tmp_path / "bank")
    bank, rows = read_bank(tmp_path / "bank"), []
    train_head(bank, section, job(section.train_head, tmp_path / "head", "head", rows=rows))
    held_out = bank.rows("head", "validation")
    images = read_batch(raw, held_out["path"], section.image)
    exported = load_model(tmp_path / "head").probabilities(images)
    scaled = answers(bank, tmp_path / "head", "multiclass") ** (1 / read_card(tmp_path / "head").temperature)
    np.testing.assert_allclose(exported, scaled / scaled.sum(axis=1, keepdims=True), atol=0.01)
    tuned = job(section.fine_tune, tmp_path / "tuned", "fine_tune", rows=rows)
    fine_tune(bank, section, tmp_path / "head", tuned, raw)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[2]["val_loss"] == pytest.approx(min(row["val_loss"] for row in rows[:2]), abs=0.02)
    assert set(rows[0]) - {"phase", "accuracy", "val_accuracy", "iterations", "seconds"} < set(CURVES)


@pytest.mark.slow
def test_a_feature_map_is_pooled_or_flattened_first(data, tmp_path):
    raw, views = data
    for kind in ("flatten", "global_average_pool"):
        section = frozen(layers=({"kind": kind},), train_head=lbfgs(1.0), backbone=lite0(pooling="none", unfreeze=None))
        extract(raw, views, section, "multiclass", tmp_path / kind)
        train_head(read_bank(tmp_path / kind), section, job(section.train_head, tmp_path / f"head_{kind}", "head"))
    one, other = (pd.read_csv(tmp_path / f"head_{kind}" / "history.csv") for kind in ("flatten", "global_average_pool"))
    assert one["val_loss"].item() == pytest.approx(other["val_loss"].item(), abs=1e-4), "the map is 1 by 1"


@pytest.mark.slow
def test_features_beyond_the_bound_are_refused_before_they_are_read(bank, tmp_path, monkeypatch):
    monkeypatch.setattr(linear, "MAX_BYTES", 4 * 1280 * 10)
    with pytest.raises(TransferlineError, match=r"views of 1280 values take 0\.0 GB, .*another optimizer"):
        fit(bank, lbfgs(1.0), tmp_path)
