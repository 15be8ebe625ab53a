"""The search of `tune`: heads on the bank first, then the candidate as it is, then fine-tunings by successive halving.

All choices look at validation images only. What a search has computed is kept in `.transferline/tune/NAME`, where NAME
depends on the data, the params and the code, so that the same call continues it.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from transferline.atomic_files import completed
from transferline.errors import TransferlineError
from transferline.params import Pretrained
from transferline.progress import say
from transferline.tuning.scored import Scored, winner_first
from transferline.tuning.search_space import (
    FIRST,
    Network,
    Settings,
    augment_of,
    candidate_of,
    own_of,
    present_settings,
    settings_of,
    suggest,
)
from transferline.tuning.trial_runs import TrialRuns
from transferline.tuning.trial_scores import Data, score_candidate, score_head

FIRST_RUNG = 2  # the epochs after which successive halving first stops trials
KEPT_NETWORKS = 3  # of the heads, for fine-tuning
SHARE_OF_HEADS, SHARE_OF_TRIALS = 0.3, 0.6  # of the time that is left when they begin
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
STATE = "state"  # why a trial of Optuna ended early: `stopped` or `diverged`
TOO_SHORT = (
    "the time was up before the candidate as it is was trained, so nothing can be compared with it and params.yaml is "
    "unchanged. The heads are kept: the same call goes on from here; if that is not enough, give more --minutes"
)
PRESENT_TRIAL = "present"  # the name of the candidate as it is, in files


class TimeIsUpError(Exception):
    """The time of the search has passed; the trial that runs is not counted."""


class DivergedError(Exception):
    """The loss of a trial is not finite."""


def stop_at(end: float) -> None:
    """Raises `TimeIsUpError` from the time `end` on."""
    if time.monotonic() >= end:
        raise TimeIsUpError


@dataclass
class Search:
    """A search.

    Attributes:
        data: what all trials share.
        base: the candidate that the settings vary.
        networks: to try, the quickest first.
        folder: of the files that are kept.
        runs: records the trials.
        trials: the number of fine-tunings; None if time limits them.
        end: the time, by `time.monotonic`, at which the search ends; infinite if the number of trials limits it.
    """

    data: Data
    base: Pretrained
    networks: list[Network]
    folder: Path
    runs: TrialRuns
    trials: int | None
    end: float
    best: float = field(default=-np.inf)

    def heads(self) -> list[Scored]:
        """Scores the head of each network on all divisions, until their share of the time is up.

        Returns:
            See `winner_first`, which prefers the network of the candidate that the settings vary.

        Raises:
            TransferlineError: no head can be trained.
        """
        end, found, failed = self._share(SHARE_OF_HEADS), list[Scored](), list[TransferlineError]()
        for number, network in enumerate(self.networks):
            if found and time.monotonic() > end:
                count = len(self.networks)
                say(f"heads: {count - number} of {count} networks are left out: their time is up")
                break
            try:
                found.append(self._head(Settings(network)))
            except TransferlineError as error:
                failed.append(error)
                say(f"{network} is left out: {error}")
        if not found:
            raise failed[-1]
        found.sort(key=lambda one: (one.settings.network.place != own_of(self.base), -one.value))
        return winner_first(self.data.params, found)

    def _head(self, settings: Settings) -> Scored:
        with self.kept(f"head {settings.network}") as parts:
            start = time.monotonic()
            if not parts:
                parts += score_head(self.data, candidate_of(settings, self.base))
                self.record(settings, "head", parts, start)
        scored = self.scored(settings, parts)
        self.best = max(self.best, scored.value)
        return scored

    def present(self) -> None:
        """Trains the candidate as it is on the first division, if it can be trained.

        Raises:
            TransferlineError: the time of the search is up before. Without this training it is unknown whether any
                other settings are better.
        """
        settings = present_settings(self.base)
        try:
            with self.kept(f"{PRESENT_TRIAL} division 0") as parts:
                start = time.monotonic()
                if not parts:
                    parts.append(self.train(settings, 0, self.end))
                    self.record(settings, "present", parts, start)
        except TransferlineError as error:
            say(f"cannot compare the candidate as it is: {error}")
        except TimeIsUpError as error:
            raise TransferlineError(TOO_SHORT) from error

    def fine_tunings(self, heads: list[Scored]) -> "optuna.Study":
        """Tries fine-tunings of the best networks, by successive halving over epochs, until the limit."""
        by_place = {one.settings.network.place: str(one.settings.network) for one in reversed(heads)}
        best = list(dict.fromkeys(one.settings.network.place for one in heads))
        networks = [by_place[place] for place in best[:KEPT_NETWORKS]]
        study, end = self._study(networks), self._share(SHARE_OF_TRIALS)
        with self.kept(f"{PRESENT_TRIAL} division 0") as present:
            first = FIRST[1:] if present and len(self.base.backbone.boundaries) > 1 else FIRST  # it is a ladder itself
        while self.trials is None or len(study.get_trials(False, FINISHED)) < self.trials:
            done = len(study.get_trials(False, FINISHED))
            study.sampler = optuna.samplers.TPESampler(seed=self.data.params.seed + done, n_startup_trials=8)
            try:
                stop_at(end)
                self._one_trial(study, networks, first[done] if done < len(first) else {}, end)
            except TimeIsUpError:
                say("the time for further fine-tunings is up")
                break
        return study

    def _study(self, networks: list[str]) -> "optuna.Study":
        """Returns the study of these networks; Optuna cannot add networks to a study."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(self.folder / "optuna.log"))),
            study_name=hashlib.sha256(repr(networks).encode()).hexdigest()[:12],
            direction="maximize",
            pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=FIRST_RUNG, reduction_factor=3),
            load_if_exists=True,
        )
        for trial in study.get_trials(False, (TrialState.RUNNING,)):  # of a call that was interrupted
            study.tell(trial.number, state=TrialState.FAIL)
        return study

    def _share(self, share: float) -> float:
        """Returns the time at which a share of the time that is left is over."""
        return time.monotonic() + share * (self.end - time.monotonic())

    def _one_trial(self, study: "optuna.Study", networks: list[str], fixed: dict[str, object], end: float) -> None:
        if fixed:
            study.enqueue_trial({"network": networks[0], "learning_rate": 1e-3, "label_smoothing": 0.1, **fixed})
        trial = study.ask()
        suggest(trial, networks, self.data.params.augment)
        settings = settings_of(trial.params, self.networks)
        start, values = time.monotonic(), list[float]()

        def report(value: float) -> None:
            if math.isnan(value):
                raise DivergedError
            values.append(value)
            trial.report(max(values), len(values))
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            with self.kept(f"{study.study_name} trial {trial.number} division 0") as parts:
                parts.append(self.train(settings, 0, end, report))
        except (optuna.TrialPruned, DivergedError) as error:
            state = "diverged" if isinstance(error, DivergedError) else "stopped"
            trial.set_user_attr(STATE, state)
            study.tell(trial, state=TrialState.PRUNED)
            best = max(values, default=None)
            at = f" at {self.data.main_metric} {best:.4f}" if values else ""
            say(f"trial {trial.number} {state} after {len(values)} epochs{at}: {settings}")
            self.runs.record(settings, state, self.data.main_metric, best, 0, time.monotonic() - start)
            return
        except BaseException:
            study.tell(trial, state=TrialState.FAIL)
            raise
        study.tell(trial, self.data.value(parts[0]))
        self.record(settings, "complete", parts, start)

    def train(
        self, settings: Settings, division: int, end: float, report: Callable[[float], None] = lambda value: None
    ) -> pd.DataFrame:
        """Trains settings on a division; see `score_candidate`. `end` is the time at which it is stopped.

        Raises:
            TimeIsUpError: the end was there before the training was complete.
        """

        def report_in_time(value: float) -> None:
            stop_at(end)
            report(value)

        stop_at(end)
        candidate, augment = candidate_of(settings, self.base), augment_of(settings, self.data.params.augment)
        return score_candidate(self.data, candidate, augment, self.data.divisions[division], report_in_time)

    def scored(self, settings: Settings, parts: list[pd.DataFrame]) -> Scored:
        """Returns settings with their predictions on each division, and the value of all of them."""
        return Scored(settings, parts, self.data.value(pd.concat(parts, ignore_index=True)))

    def record(self, settings: Settings, state: str, parts: list[pd.DataFrame], start: float | None = None) -> None:
        """Prints and records a trial; `start` is the time at which it began, if that is known."""
        value = self.scored(settings, parts).value
        self.best = max(self.best, value)
        metric, shown, best = self.data.params.select.metric, self.data.shown(value), self.data.shown(self.best)
        say(f"{state}: {metric} {shown:.4f}, best so far {best:.4f}: {settings}")
        seconds = start and time.monotonic() - start
        self.runs.record(settings, state, metric, shown, sum(map(len, parts)), seconds)

    @contextmanager
    def kept(self, name: str) -> Iterator[list[pd.DataFrame]]:
        """Yields the predictions in a file of this search, or an empty list. A list that gets filled is written."""
        file = self.folder / f"{name}.parquet"
        table = pd.read_parquet(file) if file.exists() else None
        parts = [] if table is None else [part.drop(columns="division") for _, part in table.groupby("division")]
        yield parts
        if table is None and parts:
            joined = pd.concat([part.assign(division=number) for number, part in enumerate(parts)])
            with completed(file) as partial:
                joined.to_parquet(partial, index=False)
