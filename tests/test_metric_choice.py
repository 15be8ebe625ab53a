"""The metrics that `params.yaml` may name: those of its kind of problem, and those in `own_metrics/`."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from tests.conftest import ROOT, run
from transferline.errors import TransferlineError
from transferline.evaluation.scoring import metrics_of
from transferline.params import Evaluate, OwnMetric, Params, Problem, SignificanceTest, load_params
from transferline.problems.metric_choice import METRICS, check_metrics, metric_table

BRIER = {"function": "own_metrics.example:brier_score", "best": "lowest"}
PREDICTIONS = pd.DataFrame(
    {
        "label": ["cat", "dog", "dog", "new"],
        "predicted": ["cat", "cat", "dog", "dog"],
        "group": list("1234"),
        "confidence": [0.8, 0.6, 0.9, 0.7],
        "probability_cat": [0.8, 0.6, 0.1, 0.3],
        "probability_dog": [0.2, 0.4, 0.9, 0.7],
    }
)


def params(metric: str = "accuracy", own: tuple[dict[str, str], ...] = ()) -> Params:
    found = load_params(ROOT / "recipes" / "digits.yaml")
    listed = tuple(OwnMetric.model_validate(one) for one in own)
    return found.model_copy(
        update={
            "select": found.select.model_copy(update={"metric": metric}),
            "evaluate": found.evaluate.model_copy(update={"metrics": listed}),
        }
    )


def evaluate(*own: dict[str, str]) -> Evaluate:
    listed = tuple(OwnMetric.model_validate(one) for one in own)
    return Evaluate(seed=1, bootstrap=100, confidence=0.9, gallery=4, metrics=listed)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with a file for metrics, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_metrics").mkdir()
    return tmp_path


def test_a_metric_of_another_kind_of_problem_is_a_mistake() -> None:
    check_metrics(params("macro_f1"))
    with pytest.raises(
        TransferlineError, match=r"select\.metric: hamming_loss is not a metric of a multiclass problem; allowed"
    ):
        check_metrics(params("hamming_loss"))


@pytest.mark.slow
def test_no_stage_starts_with_such_a_mistake(project: Path) -> None:
    text = (project / "params.yaml").read_text(encoding="utf-8")
    (project / "params.yaml").write_text(text.replace("metric: accuracy", "metric: acuracy"), encoding="utf-8")
    done = run("transferline", "stage", "code", cwd=project, check=False)
    assert done.returncode == 1 and "select.metric: acuracy is not a metric of a multiclass problem" in done.stderr


def test_a_params_file_with_the_former_key_kind_is_told_what_to_do() -> None:
    with pytest.raises(ValidationError, match="the key kind no longer exists; delete it"):
        SignificanceTest.model_validate({"kind": "bootstrap", "level": 0.05})


@pytest.mark.parametrize("problem", ["binary", "multiclass", "multilabel", "segmentation"])
def test_losses_are_those_by_name(problem: Problem) -> None:
    assert {name for name, one in METRICS[problem].items() if one.is_loss} == {
        name for name in METRICS[problem] if name.endswith("_loss")
    }


def test_the_example_is_computed_with_an_interval_and_can_select(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    check_metrics(params("brier_score", own=(BRIER,)))
    found = metrics_of(PREDICTIONS, ("cat", "dog"), evaluate(BRIER), "binary")
    squares = [0.2**2 * 2, 0.6**2 * 2, 0.1**2 * 2, 0.3**2 + 0.7**2]
    assert found["brier_score"] == pytest.approx(np.mean(squares))
    assert found["brier_score_low"] < found["brier_score"] < found["brier_score_high"]
    assert metric_table("binary", evaluate(BRIER))["brier_score"].is_loss


def test_its_arrays_are_as_the_contract_says(home: Path) -> None:
    (home / "own_metrics" / "mine.py").write_text(
        "def check(truth, probabilities, classes):\n"
        "    assert truth.dtype == bool and truth.shape == probabilities.shape == (4, 2), truth\n"
        "    assert probabilities.dtype == float and classes == ('cat', 'dog')\n"
        "    return truth.sum()\n"
    )
    own = {"function": "own_metrics.mine:check", "best": "highest"}
    found = metrics_of(PREDICTIONS, ("cat", "dog"), evaluate(own), "multiclass")
    assert found["check"] == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def other(): pass\n", r"own_metrics/mine\.py has no function cost; it has other"),
        ("import nowhere\n", r"own_metrics\.mine:cost failed at own_metrics/mine\.py:1: ModuleNotFoundError"),
        ("def cost(a, b, c):\n    return 1 / 0\n", r"cost failed at own_metrics/mine\.py:2: ZeroDivisionError"),
        ("def cost(a, b, c):\n    return 'low'\n", r"own_metrics/mine\.py returned str; it must return a number"),
    ],
    ids=["no function", "a file that fails", "a function that fails", "no number"],
)
def test_a_mistake_in_the_file_names_it(home: Path, text: str, message: str) -> None:
    (home / "own_metrics" / "mine.py").write_text(text)
    own = {"function": "own_metrics.mine:cost", "best": "lowest"}
    with pytest.raises(TransferlineError, match=message):
        metrics_of(PREDICTIONS, ("cat", "dog"), evaluate(own), "multiclass")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"own": ({"function": "own_metrics.none:cost", "best": "lowest"},)},
            "there is no file own_metrics/none.py in",
        ),
        ({"own": ({"function": "own_metrics.mine:accuracy", "best": "lowest"},)}, "has the name accuracy"),
        ({"own": (BRIER | {"function": "own_metrics.mine:cost"},) * 2}, "has the name cost"),
    ],
    ids=["no file", "the name of a metric", "twice"],
)
def test_a_mistake_in_the_list_is_found_before_any_stage(home: Path, changes: Any, message: str) -> None:
    (home / "own_metrics" / "mine.py").touch()
    with pytest.raises(TransferlineError, match=message):
        check_metrics(params(**changes))


@pytest.mark.parametrize("name", ["own_metrics:cost", "own_metrics.below.mine:cost", "networks.mine:cost", "cost"])
def test_only_a_file_right_in_the_folder_counts(name: str) -> None:
    """`code.json` follows these files."""
    with pytest.raises(ValidationError, match="function"):
        OwnMetric.model_validate({"function": name, "best": "lowest"})


def test_masks_have_no_metric_of_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    camvid = load_params(ROOT / "recipes" / "camvid.yaml")
    listed = (OwnMetric.model_validate(BRIER),)
    with pytest.raises(TransferlineError, match=r"evaluate\.metrics: a segmentation problem cannot have"):
        check_metrics(camvid.model_copy(update={"evaluate": camvid.evaluate.model_copy(update={"metrics": listed})}))
