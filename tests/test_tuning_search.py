"""The search of `transferline tune`: the same seed finds the same winner, and a time limit is kept."""

import math
import re
import zlib
from collections.abc import Container
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from tests.test_tune import PHOTOS, SMALL, table
from transferline.datasets.tables import ImageTable
from transferline.errors import TransferlineError
from transferline.models.exported import ModelCard
from transferline.params import Pretrained, Select
from transferline.problems.evaluation import evaluation_of
from transferline.tuning import fine_tunings, search, tuning_report
from transferline.tuning.finals import compare_finalists
from transferline.tuning.folds import repeated_splits
from transferline.tuning.search_space import Network, Settings, present_settings
from transferline.tuning.trial_scores import Data
from transferline.tuning.tune_candidate import base_candidate

NETWORKS = [SMALL, Network("efficientnet_lite0", 64, "untouched")]


class RecordedTrials(list[tuple[str, str, float | None]]):
    """Keeps state, metric and value of the trials, where MLflow would have runs."""

    def record(
        self, settings: Settings, state: str, metric: str, value: float | None, images: int, seconds: float | None
    ) -> None:
        self.append((state, metric, value))

    @property
    def states(self) -> list[str]:
        return [state for state, _, _ in self]


def predictions_of(candidate: Pretrained, division: ImageTable, right: float = 0.0) -> pd.DataFrame:
    """Predictions whose accuracy depends on the candidate and the division only; a share `right` has the true label."""
    rows = division.of_split("validation")
    tuned = candidate.fine_tune and [candidate.fine_tune.epochs, candidate.fine_tune.optimizer.learning_rate]
    settings = [candidate.backbone.name, candidate.image.size, len(candidate.backbone.boundaries), tuned]
    random = np.random.default_rng(zlib.crc32(f"{settings}{list(rows['path'])}".encode()))
    likely, true = random.dirichlet(np.ones(2), len(rows)), rows["label"].to_numpy()[:, None] == division.classes
    likely = np.where(random.random((len(rows), 1)) < right, true * 0.8 + 0.1, likely)
    card = ModelCard(candidate="c", phase="head", problem="multiclass", classes=division.classes, image=candidate.image)
    return evaluation_of("multiclass").rate(likely, card, rows, Path())


class Found(NamedTuple):
    """What a search found: the winner, the states of its trials, its sentences, and the recorded trials."""

    winner: str
    states: list[str]
    sentences: list[str]
    runs: RecordedTrials


class Clock:
    """Stands for the module `time` of a search."""

    now = after_trials = 0.0

    def monotonic(self) -> float:
        return self.now


def search_without_training(
    folder: Path, trials: int | None, stop_at: int | None = None, networks: list[Network] = NETWORKS,
    end: float = math.inf, clock: Clock | None = None, metric: str = "accuracy", diverges_at: int | None = None,
    fails_at: Container[int] = (), right: float = 0.0, trained: float | None = None, heads_right: float = 0.0,
    finite_epochs: int = 0,
) -> Found:  # fmt: skip
    """Searches with made-up predictions, and writes a report.

    `stop_at` interrupts the training with this number, the loss of the one with the number `diverges_at` is finite in
    `finite_epochs` only, and those with the numbers `fails_at` have no weights. A share `right` of the predictions of
    fine-tunings with 400 megapixels is right. If the project has trained the candidate as it is, `trained` is that
    share of its predictions; `heads_right` is that of heads. There are no weights of Lite1. By the clock, a head takes
    12 seconds, and an epoch of fine-tuning one. An interruption comes after the first halving.
    """
    count, clock = 0, clock or Clock()

    def score_head(data: Data, candidate: Pretrained) -> list[pd.DataFrame]:
        if candidate.backbone.name == "efficientnet_lite1":
            raise TransferlineError("no weights")
        clock.now += 12
        return [predictions_of(candidate, each, heads_right) for each in data.divisions]

    def fine_tune(data: Data, candidate: Pretrained, augment: Any, division: ImageTable, report: Any) -> pd.DataFrame:
        nonlocal count
        count += 1
        if count in fails_at:
            raise TransferlineError("it has no weights")
        is_long = candidate.fine_tune is not None and candidate.fine_tune.max_megapixels == 400
        found = predictions_of(candidate, division, right if is_long else 0)
        for epoch in range(6):
            if count == stop_at and epoch == 3:
                raise KeyboardInterrupt
            clock.now += 1
            value = (found["label"] == found["predicted"]).mean() * (epoch + 1) / 6
            report(math.nan if count == diverges_at and epoch >= finite_epochs else value)
        return found

    folder.mkdir(exist_ok=True)
    params, runs = PHOTOS.model_copy(update={"select": Select(metric=metric)}), RecordedTrials()
    data = Data(params, Path(), repeated_splits(table(300, 60), 3, 7, 4), folder)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("score_head", score_head), ("score_candidate", fine_tune), ("time", clock)):
            patch.setattr(search, name, value)
        patch.setattr(fine_tunings, "time", clock)
        whole = search.Search(data, base_candidate(PHOTOS), networks, folder, runs, trials, end)
        heads = whole.heads()
        present = None if trained is None else predictions_of(base_candidate(PHOTOS), data.divisions[0], trained)
        whole.present(lambda: present)
        study = fine_tunings.try_fine_tunings(whole, heads)
        clock.after_trials = clock.now
        finals = compare_finalists(whole, heads, study)
        patch.setattr(tuning_report, "REPORT", folder / "report")
        sentences = tuning_report.write_report(data, heads, study, finals)
    return Found(str(finals[0].settings), runs.states, sentences, runs)


def test_the_same_seed_and_number_of_trials_have_the_same_winner_also_after_an_interruption(tmp_path: Path) -> None:
    winner, states, sentences, _ = search_without_training(tmp_path / "whole", 10)
    assert states.count("head") == 2 and states.count("stopped") + states.count("complete") == 10
    assert "stopped" in states, "successive halving stops some"
    assert 3 <= states.count("final") <= 5, "the candidate as it is, two heads, and the fine-tunings that are better"
    assert sentences[0] == "2 heads and 10 fine-tunings were tried, with seed 7." and winner in sentences[1]
    interval = r"\(95% interval of its gain [+-]0\.\d{4} to [+-]0\.\d{4}\), paired over these images"
    assert re.match(rf"It (leads|is behind) by 0\.\d{{4}} {interval}", sentences[3])
    assert search_without_training(tmp_path / "again", 10).winner == winner

    for interrupted in (2, 1):  # in the first call, the first training is that of the candidate as it is
        with pytest.raises(KeyboardInterrupt):
            search_without_training(tmp_path / "parts", 4, stop_at=interrupted)
    search_without_training(tmp_path / "parts", 4)
    continued, states, *_ = search_without_training(tmp_path / "parts", 10)
    assert continued == winner
    assert states.count("stopped") + states.count("complete") == 6 and "head" not in states, "the rest is kept"


def test_the_candidate_as_it_is_wins_against_one_that_is_better_by_noise(tmp_path: Path) -> None:
    """The made-up accuracies on the two splits on which nothing was chosen are a little higher for a head."""
    present = str(present_settings(base_candidate(PHOTOS)))
    found = search_without_training(tmp_path / "heads", 0)
    assert found.winner == present and re.match(r"It is behind by 0\.0[2-9]", found.sentences[3])
    assert "on 2 splits with" in found.sentences[2]
    assert search_without_training(tmp_path / "noise", 10).winner == present
    assert "megapixels 400" in search_without_training(tmp_path / "better", 10, right=0.5).winner


def test_the_head_of_the_own_network_wins_if_the_candidate_is_not_compared(tmp_path: Path) -> None:
    own = Network("efficientnet_lite2", 260, "untouched", "levels")
    found = search_without_training(tmp_path, 0, networks=[own, SMALL], fails_at=[1])
    assert found.winner == str(Settings(own))


def test_a_search_without_time_for_the_candidate_as_it_is_has_no_winner_and_can_go_on(tmp_path: Path) -> None:
    for end in (14.0, 15.0):
        with pytest.raises(
            TransferlineError, match=r"time was up before .* params\.yaml is unchanged\. The heads are kept"
        ):
            search_without_training(tmp_path, None, end=end)
    states = search_without_training(tmp_path, None, end=10).states
    assert states[0] == "present", "the heads are kept"
    assert "present" in search_without_training(tmp_path / "trained", None, end=14, trained=0.0).states


def test_a_network_that_cannot_be_loaded_is_left_out(tmp_path: Path, capsys: Any) -> None:
    missing = Network("efficientnet_lite1", 64, "untouched")
    found = search_without_training(tmp_path / "one", 0, networks=[missing, SMALL])
    assert found.states.count("head") == 1 and found.winner != str(Settings(missing))
    assert f"{missing} is left out: no weights" in capsys.readouterr().out
    with pytest.raises(TransferlineError, match="no weights"):
        search_without_training(tmp_path / "none", 0, networks=[missing])


def test_a_candidate_that_cannot_be_trained_is_not_compared(tmp_path: Path, capsys: Any) -> None:
    found = search_without_training(tmp_path, 2, fails_at=[1])
    assert "cannot compare the candidate as it is: it has no weights" in capsys.readouterr().out
    assert "present" not in found.states and found.states.count("stopped") + found.states.count("complete") == 2


def test_a_head_on_augmented_views_is_left_out_if_it_does_not_fit_into_the_time(tmp_path: Path, capsys: Any) -> None:
    augmented = replace(SMALL, head_views="augmented")
    found = search_without_training(tmp_path / "short", 1, networks=[SMALL, augmented], end=100)
    assert found.states.count("head") == 1
    assert "heads: 1 of 2 networks are left out: they do not fit into their time" in capsys.readouterr().out
    again = search_without_training(tmp_path / "short", 1, networks=[SMALL, augmented], end=100)
    assert "head" not in again.states, "the time of the first head is kept"
    assert search_without_training(tmp_path / "short", 1, networks=[SMALL, augmented]).states.count("head") == 1


def test_heads_take_30_percent_of_the_time_and_fine_tunings_60_percent_of_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Heads begin at 0, 12 and 24 s, the candidate at 36 s, fine-tunings at 42 s, and end at 42 + 0.6 · 58 = 76.8 s."""
    networks = [Network("efficientnet_lite0", side, "untouched") for side in (32, 64, 96, 128, 160)]
    clock = Clock()
    _, states, *_ = search_without_training(tmp_path, None, networks=networks, end=100, clock=clock)
    said = capsys.readouterr().out
    assert states.count("head") == 3 and "heads: 2 of 5 networks are left out" in said
    assert 76.8 < clock.after_trials <= 77.8 and "the time for further fine-tunings is up" in said
    assert clock.now <= 101 and "final" in states


def test_a_search_with_more_time_fine_tunes_networks_whose_heads_were_scored_later(tmp_path: Path, capsys: Any) -> None:
    states = search_without_training(tmp_path, 4, end=19.0).states
    assert states[:2] == ["head", "present"], "the time was up after the first head and the candidate"
    states = search_without_training(tmp_path, 4).states
    assert states[0] == "head" and {"complete"} <= set(states[1:5]) <= {"complete", "stopped"}
    assert re.search(r"(trial|complete).*side 64", capsys.readouterr().out)


def test_a_search_that_is_killed_while_it_writes_predictions_can_go_on(tmp_path: Path) -> None:
    def killed(table: pd.DataFrame, path: Path, index: bool) -> None:
        path.write_bytes(b"PAR1")
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pd.DataFrame, "to_parquet", killed)
        search_without_training(tmp_path, 1)
    search_without_training(tmp_path, 1)


def test_a_loss_has_no_sign_and_is_not_mixed_with_the_metric_of_the_epochs(tmp_path: Path) -> None:
    runs = search_without_training(tmp_path, 8, metric="log_loss").runs
    shown = {(state == "stopped", metric) for state, metric, _ in runs}
    assert shown == {(True, "accuracy"), (False, "log_loss")} and all(
        value is not None and value >= 0 for *_, value in runs
    )
    page = (tmp_path / "report" / "index.html").read_text()
    assert re.search(r"Validation log_loss \d", page) and not re.search(r"<td>-\d", page)
    cells = [re.findall("<t[hd]>(.*?)</t[hd]>", row) for row in page.split("<h2>Trials")[1].split("<tr>")[1:]]
    trials = pd.DataFrame(cells[1:], columns=cells[0]).set_index("state")
    assert set(trials.loc["stopped", "log_loss"]) == {""} and (trials["accuracy"].astype(float) <= 1).all()
    assert (trials.loc[["complete"], "log_loss"].astype(float) > 0).all()
