"""Which model is ranked first."""

from pathlib import Path
from typing import Any

import pytest

from tests.test_select import figures
from transferline.errors import TransferlineError
from transferline.evaluation.ranking import EvaluatedModel, ranking


def entry(name: str, accuracy: float, log_loss: float = 0.5, test: float = 0.5, **others: Any) -> EvaluatedModel:
    candidate, phase = name.split()
    metrics = {"validation": figures(accuracy, log_loss, **others), "test": figures(test, 1 - test)}
    return EvaluatedModel(Path(), candidate, phase, metrics, {})


@pytest.mark.parametrize(
    ("entries", "metric", "best"),
    [
        ([entry("a head", 0.8), entry("b head", 0.9)], "accuracy", "b head"),
        ([entry("a head", 0.9, 0.3), entry("b head", 0.9, 0.2)], "accuracy", "b head"),
        ([entry("a fine_tune", 0.9, 0.3), entry("b head", 0.9, 0.3)], "accuracy", "b head"),
        ([entry("a fine_tune", 0.9, 0.3 - 1e-6), entry("b head", 0.9 - 1e-6, 0.3)], "accuracy", "b head"),
        ([entry("b head", 0.9, 0.3), entry("a head", 0.9, 0.3)], "accuracy", "a head"),
        ([entry("a head", 0.9, 0.3), entry("b head", 0.8, 0.2)], "log_loss", "b head"),
        ([entry("a head", 0.9, test=1.0), entry("b fine_tune", 0.91, test=0.1)], "accuracy", "b fine_tune"),
        ([entry("a head", 0.9, test=0.1), entry("b head", 0.9, test=1.0)], "accuracy", "a head"),
        ([entry("a head", 0.9, roc_auc=None), entry("b head", 0.9, roc_auc=0.6)], "roc_auc", "b head"),
        ([entry("a head", 0.9, hamming_loss=0.2), entry("b train", 0.9, hamming_loss=0.1)], "hamming_loss", "b train"),
    ],
    ids=[
        "metric",
        "log loss",
        "simpler phase",
        "simpler phase but for rounding",
        "name",
        "lowest",
        "not test",
        "not test in a tie",
        "undefined is last",
        "lowest share of wrong labels",
    ],
)
def test_ranking(entries: list[EvaluatedModel], metric: str, best: str) -> None:
    assert ranking(entries, metric, is_loss=metric.endswith("_loss"))[0].name == best
    assert ranking(entries[::-1], metric, is_loss=metric.endswith("_loss"))[0].name == best


def test_a_fine_tuning_that_improved_nothing_never_beats_its_head() -> None:
    head, tuned = entry("a head", 0.9, 0.5), entry("a fine_tune", 0.9, 0.4999)  # by rounding: it is the same model
    tuned.metrics["trainable"] = 0
    assert ranking([tuned, head], "accuracy", is_loss=False)[0] is head


def test_a_metric_that_no_candidate_has() -> None:
    with pytest.raises(TransferlineError, match=r"select\.metric: no candidate has the validation metric roc_auc"):
        ranking([entry("a head", 0.9, roc_auc=None)], "roc_auc", is_loss=False)
