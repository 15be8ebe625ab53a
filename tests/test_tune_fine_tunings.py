"""The fine-tunings of `transferline tune`: which ones end early."""

from pathlib import Path
from typing import Any

import optuna
import pytest

from tests.test_tuning_search import search_without_training
from transferline.tuning import fine_tunings, search_space


def test_a_trial_that_diverges_has_no_metric(tmp_path: Path) -> None:
    found = search_without_training(tmp_path, 1, diverges_at=2)
    assert ("diverged", "accuracy", None) in found.runs
    page = (tmp_path / "report" / "index.html").read_text()
    assert "<td>diverged</td>" in page.split("<h2>Trials")[1]


def test_a_loss_that_becomes_infinite_later_leaves_the_best_epoch_before(tmp_path: Path) -> None:
    states = search_without_training(tmp_path, 1, diverges_at=2, finite_epochs=3).states
    assert "complete" in states and "diverged" not in states


def test_a_trial_that_fails_does_not_count_and_three_in_a_row_end_the_fine_tunings(tmp_path: Path, capsys: Any) -> None:
    """The first training is that of the candidate as it is."""
    states = search_without_training(tmp_path / "one", 6, fails_at=[3]).states
    assert states.count("failed") == 1 and states.count("stopped") + states.count("complete") == 6
    assert "it has no weights" in capsys.readouterr().out
    states = search_without_training(tmp_path / "all", 6, fails_at=range(2, 99)).states
    assert states.count("failed") == 3 and "no more fine-tunings: the last 3 failed" in capsys.readouterr().out
    states = search_without_training(tmp_path / "all", 6).states
    assert states.count("stopped") + states.count("complete") == 6, "the next call tries again"


def test_where_the_candidate_as_it_is_makes_no_error_no_fine_tuning_is_tried(tmp_path: Path, capsys: Any) -> None:
    found = search_without_training(tmp_path, 6, trained=1.0)
    assert set(found.states) == {"head", "present", "final"}
    why = "No fine-tuning can have a better accuracy on the first split, so none was tried."
    assert why in capsys.readouterr().out and why in (tmp_path / "report" / "index.html").read_text()
    assert found.sentences[:2] == ["2 heads and 0 fine-tunings were tried, with seed 7.", why]


def test_a_search_with_more_trials_than_settings_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are two networks, two depths and two augmentations of `upper`, so six settings."""
    for name, value in (("RATES", (1e-3,)), ("SMOOTHINGS", (0.1,)), ("WEIGHT_DECAYS", (0.0,)), ("EPOCHS", {400: 40})):
        monkeypatch.setattr(search_space, name, value)
    monkeypatch.setattr(search_space, "DEPTHS", {"upper": (0.35,), "whole": (0.1, 1.0)})
    found = search_without_training(tmp_path, 12)
    assert found.states.count("stopped") + found.states.count("complete") == 12


def test_halving_compares_trials_of_the_same_depth() -> None:
    study = optuna.create_study(direction="maximize")
    for depth, value in (("whole", 0.5), ("whole", 0.4), ("ladder", 0.9)):
        study.enqueue_trial({"depth": depth})
        trial = study.ask()
        trial.suggest_categorical("depth", ("upper", "ladder", "whole"))
        trial.report(value, 2)
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    found = [
        fine_tunings.is_worse(value, 2, depth, study)
        for value, depth in ((0.6, "whole"), (0.45, "whole"), (0.1, "upper"))
    ]
    assert found == [False, True, False] and not fine_tunings.is_worse(0.1, 6, "whole", study)
