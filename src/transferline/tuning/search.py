"""The search of `tune`: heads on the bank first, then fine-tunings by successive halving, then repeated splits.

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
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from transferline.atomic_files import completed
from transferline.params import Pretrained
from transferline.progress import say
from transferline.tuning.scored import Scored, winner_first
from transferline.tuning.search_space import (
    OF_UPPER,
    Network,
    Settings,
    augment_of,
    candidate_of,
    suggest,
)
from transferline.tuning.trial_runs import TrialRuns
from transferline.tuning.trial_scores import Data, score_fine_tuning, score_head

FIRST_RUNG = 2  # the epochs after which successive halving first stops trials
KEPT_NETWORKS = 3  # of the heads, for fine-tuning
FINALISTS = 2
SHARE_OF_HEADS, SHARE_OF_TRIALS = 0.3, 0.6  # of the time that is left when they begin
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
# The first two fine-tunings, before Optuna has results to learn from.
FIRST = (
    {"depth": "ladder", "augmentation": "params", "megapixels": 200},
    {"depth": "whole", "augmentation": "wider", "megapixels": 400},
)


class TimeIsUpError(Exception):
    """The time of the search has passed; the trial that runs is not counted."""


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
        """
        end, found, count = self._share(SHARE_OF_HEADS), list[Scored](), len(self.networks)
        for network in self.networks:
            if found and time.monotonic() > end:
                say(f"heads: {count - len(found)} of {count} networks are left out: their time is up")
                break
            settings = Settings(network)
            with self._kept(f"head {network}") as parts:
                start = time.monotonic()
                if not parts:
                    candidate = candidate_of(settings, self.base)
                    parts += score_head(self.data, candidate)
                    self._record(settings, "head", parts, start)
            found.append(self._scored(settings, parts))
            self.best = max(self.best, found[-1].value)
        own = self.base.backbone.name, self.base.image.size
        found.sort(key=lambda one: ((one.settings.network.backbone, one.settings.network.side) != own, -one.value))
        return winner_first(self.data.params, found)

    def fine_tunings(self, heads: list[Scored]) -> "optuna.Study":
        """Tries fine-tunings of the best networks, by successive halving over epochs, until the limit."""
        networks = [str(one.settings.network) for one in heads[:KEPT_NETWORKS]]
        study, end = self._study(networks), self._share(SHARE_OF_TRIALS)
        while self.trials is None or len(study.get_trials(False, FINISHED)) < self.trials:
            done = len(study.get_trials(False, FINISHED))
            study.sampler = optuna.samplers.TPESampler(seed=self.data.params.seed + done, n_startup_trials=8)
            try:
                self._one_trial(study, networks, FIRST[done] if done < len(FIRST) else {}, end)
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
        settings = self._settings(trial.params)
        start, values = time.monotonic(), list[float]()

        def report(value: float) -> None:
            if time.monotonic() > end:
                raise TimeIsUpError
            if math.isnan(value):
                raise optuna.TrialPruned
            values.append(value)
            trial.report(max(values), len(values))
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            with self._kept(f"{study.study_name} trial {trial.number} division 0") as parts:
                parts.append(self._fine_tune(settings, 0, report))
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
            best = max(values, default=0.0)
            said = f"trial {trial.number} stopped after {len(values)} epochs at {self.data.main_metric} {best:.4f}"
            say(f"{said}: {settings}")
            self.runs.record(settings, "stopped", self.data.main_metric, best, 0, time.monotonic() - start)
            return
        except BaseException:
            study.tell(trial, state=TrialState.FAIL)
            raise
        study.tell(trial, self.data.value(parts[0]))
        self._record(settings, "complete", parts, start)

    def _fine_tune(self, settings: Settings, division: int, report: Callable[[float], None]) -> pd.DataFrame:
        params = self.data.params
        candidate = candidate_of(settings, self.base)
        augment = augment_of(settings, params.augment)
        return score_fine_tuning(self.data, candidate, augment, self.data.divisions[division], report)

    def finals(self, heads: list[Scored], study: "optuna.Study") -> list[Scored]:
        """Scores the best fine-tunings on the other divisions, as far as time allows.

        They and the first two heads are compared on the same divisions. A fine-tuning that is not better than the first
        head on the first division is left out.

        Returns:
            See `winner_first`, which prefers heads.
        """
        least = self.data.value(heads[0].predictions[0])
        better = [one for one in study.get_trials(False, (TrialState.COMPLETE,)) if float(one.value or 0) > least]
        complete = sorted(better, key=lambda trial: -float(trial.value or 0))
        first_of = {self._settings(trial.params): trial.number for trial in reversed(complete)}
        finalists = [(number, settings) for settings, number in reversed(first_of.items())][:FINALISTS]
        found = {number: list[pd.DataFrame]() for number, _ in finalists}
        try:
            for division in range(len(self.data.divisions)):
                for number, settings in finalists:
                    with self._kept(f"{study.study_name} trial {number} division {division}") as parts:
                        if not parts:
                            parts.append(self._fine_tune(settings, division, self._stop_if_time_is_up))
                    found[number] += parts
        except TimeIsUpError:
            say("the time is up: the finalists are compared on fewer splits")
        common = min(map(len, found.values()), default=len(self.data.divisions))
        scored = [self._scored(head.settings, head.predictions[:common]) for head in heads[:2]]
        scored += [self._scored(settings, found[number][:common]) for number, settings in finalists]
        for one in scored:
            self._record(one.settings, "final", one.predictions)
        return winner_first(self.data.params, scored)

    def _stop_if_time_is_up(self, value: float) -> None:
        if time.monotonic() > self.end:
            raise TimeIsUpError

    def _scored(self, settings: Settings, parts: list[pd.DataFrame]) -> Scored:
        return Scored(settings, parts, self.data.value(pd.concat(parts, ignore_index=True)))

    def _settings(self, values: dict[str, Any]) -> Settings:
        """Returns the settings of a trial from Optuna's values."""
        networks = {str(network): network for network in self.networks}
        named = {name.removesuffix(OF_UPPER): value for name, value in values.items()}
        return Settings(**{**named, "network": networks[values["network"]]})

    def _record(self, settings: Settings, state: str, parts: list[pd.DataFrame], start: float | None = None) -> None:
        value = self._scored(settings, parts).value
        self.best = max(self.best, value)
        metric, shown, best = self.data.params.select.metric, self.data.shown(value), self.data.shown(self.best)
        say(f"{state}: {metric} {shown:.4f}, best so far {best:.4f}: {settings}")
        seconds = start and time.monotonic() - start
        self.runs.record(settings, state, metric, shown, sum(map(len, parts)), seconds)

    @contextmanager
    def _kept(self, name: str) -> Iterator[list[pd.DataFrame]]:
        """Yields the predictions in a file of this search, or an empty list. A list that gets filled is written."""
        file = self.folder / f"{name}.parquet"
        table = pd.read_parquet(file) if file.exists() else None
        parts = [] if table is None else [part.drop(columns="division") for _, part in table.groupby("division")]
        yield parts
        if table is None and parts:
            joined = pd.concat([part.assign(division=number) for number, part in enumerate(parts)])
            with completed(file) as partial:
                joined.to_parquet(partial, index=False)
