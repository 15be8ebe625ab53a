"""The refit of a linear head on train and validation: what changes, and what stays as validation decided it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from tests.tiny_training import frozen, job, make_data, with_two_labels
from transferline.datasets.tables import ImageTable
from transferline.evaluation.candidate_evaluation import evaluate_candidate
from transferline.evaluation.scoring import score
from transferline.models.exported import read_card, read_held_out
from transferline.params import Evaluate, Robustness
from transferline.problems.training import label_training_of
from transferline.training.bank import Bank, read_bank
from transferline.training.fill_bank import extract
from transferline.training.head_training import train_head
from transferline.training.refit import rows_of_refit

TRAINING = {"optimizer": {"name": "lbfgs", "l2": (30.0, 3000.0)}, "refit": True}


def train(folder: Path, bank: Bank, problem: Any) -> None:
    section = frozen(layers=(), train_head=TRAINING)
    train_head(bank, section, job(section.train_head, folder, "head", problem))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ImageTable]:
    raw, views = make_data(tmp_path_factory.mktemp("raw"))
    return raw, ImageTable(views.rows.assign(group=views.rows["path"]), views.classes)


@pytest.fixture(scope="module")
def bank(data: tuple[Path, ImageTable], tmp_path_factory: pytest.TempPathFactory) -> Bank:
    folder = tmp_path_factory.mktemp("bank")
    extract(*data, frozen(layers=(), train_head=TRAINING), "multiclass", folder)
    return read_bank(folder)


@pytest.fixture(scope="module")
def model(bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "head"
    train(folder, bank, "multiclass")
    return folder


@pytest.mark.slow
def test_the_refitted_head_is_the_optimum_on_both_splits_at_the_chosen_strength(data, bank, model):
    rows, card = rows_of_refit(bank.rows("head")), read_card(model)
    features = bank.gather("features", rows.index.to_numpy()).astype(np.float64)
    labels = rows["label"].map(list(card.classes).index).to_numpy()
    history = np.genfromtxt(model / "history.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    l2 = float(history["l2"][history["val_loss"].argmin()])
    with threadpool_limits(1):
        fitted = LogisticRegression(C=1 / l2, tol=1e-9, max_iter=5000).fit(features, labels)
    expected = label_training_of("multiclass").probabilities(fitted.decision_function(features) / card.temperature)
    likely = score(model, data[0], rows[rows["split"] == "train"].drop_duplicates("path"))
    likely = likely.filter(like="probability_").to_numpy()
    is_shown = (rows["split"] == "train") & ~rows["path"].duplicated()
    np.testing.assert_allclose(likely, expected[is_shown], atol=5e-3)
    assert card.trained_on == ("train", "validation")


def test_all_images_count_the_same_and_those_of_former_test_sets_are_left_out() -> None:
    splits = ["train"] * 6 + ["validation"] * 2
    rows = pd.DataFrame({"path": [*"aaabbb", "c", "d"], "split": splits, "tested": [False] * 7 + [True]})
    assert rows_of_refit(rows)["path"].tolist() == [*"aaabbb", "c", "c", "c"]
    assert rows_of_refit(rows).index.tolist() == [0, 1, 2, 3, 4, 5, 6, 6, 6], "the positions of the values"
    assert rows_of_refit(rows.drop(columns="tested"))["path"].tolist() == [*"aaabbb", *"cccddd"]


@pytest.mark.slow
def test_validation_has_the_predictions_from_before_the_refit(data, bank, model):
    raw, views = data
    card, rows = read_card(model), bank.rows("head", "validation")
    head = keras.saving.load_model(model / "head.keras", compile=False)
    logits = np.asarray(head(bank.gather("features", rows.index.to_numpy())))
    before = label_training_of("multiclass").probabilities(logits / card.temperature)
    untouched = views.rows[views.rows["kind"] == "untouched"]
    shown = untouched[untouched["split"] != "train"].sample(frac=1, random_state=1)
    found = score(model, raw, shown)
    assert found["path"].tolist() == shown["path"].tolist()
    is_validation = (shown["split"] == "validation").to_numpy()
    place = rows["path"].tolist()
    expected = before[[place.index(path) for path in shown["path"][is_validation]]]
    likely = found.filter(like="probability_").to_numpy()
    np.testing.assert_allclose(likely[is_validation], expected, atol=1e-6)
    after = score(model, raw, shown.assign(split="test")).filter(like="probability_").to_numpy()
    np.testing.assert_array_equal(likely[~is_validation], after[~is_validation])
    assert np.abs(likely - after)[is_validation].max() > 1e-3, "the refit changed nothing"


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["binary", "multilabel"])
def test_other_kinds_of_problems(bank, tmp_path, problem):
    two = ImageTable(bank.table.rows.replace({"label": {"red": "green"}}), bank.table.classes[:2])
    table = two if problem == "binary" else with_two_labels(bank.table)
    train(tmp_path, replace(bank, table=table), problem)
    held_out = read_held_out(tmp_path)
    assert {len(each) for each in held_out.values()} == {len(read_card(tmp_path).classes)}
    assert set(held_out) == set(table.rows["path"][table.rows["split"] == "validation"])


@pytest.mark.slow
def test_without_a_test_split_robustness_is_not_measured_on_images_that_the_model_knows(data, model, tmp_path, capsys):
    raw, views = data
    untouched = views.rows[(views.rows["kind"] == "untouched") & (views.rows["split"] == "validation")]
    params = Evaluate(robustness=Robustness(corruptions=("gaussian_noise",)))
    evaluate_candidate(model.parent, ImageTable(untouched, views.classes), raw, params, tmp_path / "out")
    assert "robustness is not measured: there is no test split" in capsys.readouterr().out
