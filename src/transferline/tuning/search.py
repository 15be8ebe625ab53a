"""The search of `tune`: heads on the bank first, then the candidate as it is, then fine-tunings, see `fine_tunings.py`.

All choices look at validation images only. What a search has computed is kept in `.transferline/tune/NAME`, where NAME
depends on the data, the params and the code, so that the same call continues it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from transferline.atomic_files import completed
from transferline.errors import TransferlineError
from transferline.params import Pretrained
from transferline.progress import say
from transferline.tuning.scored import Scored, winner_first
from transferline.tuning.search_space import Network, Settings, augment_of, candidate_of, own_of, present_settings
from transferline.tuning.trial_runs import TrialRuns
from transferline.tuning.trial_scores import Data, score_candidate, score_head

SHARE_OF_HEADS = 0.3  # of the time of the search
TOO_SHORT = (
    "the time was up before the candidate as it is was trained, so nothing can be compared with it and params.yaml is "
    "unchanged. The heads are kept: the same call goes on from here; if that is not enough, give more --minutes"
)
PRESENT_TRIAL = "present"  # the name of the candidate as it is, in files


class TimeIsUpError(Exception):
    """The time of the search has passed; the trial that runs is not counted."""


def _head_name(network: Network) -> str:
    return f"head {network}"


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
    seconds: dict[str, float] = field(default_factory=dict)  # that the files of `kept` took, by name

    def heads(self) -> list[Scored]:
        """Scores the head of each network on all divisions, until their share of the time is up.

        Returns:
            See `winner_first`, which prefers the network of the candidate that the settings vary.

        Raises:
            TransferlineError: no head can be trained.
        """
        end, found, failed = self.share_of_time(SHARE_OF_HEADS), list[Scored](), list[TransferlineError]()
        left_out = 0
        for network in self.networks:
            views = 1 + self.data.params.augment.views if network.head_views == "augmented" else 1
            of_one_view = self.seconds.get(_head_name(replace(network, head_views="untouched")), 0.0)
            is_kept = self.file(_head_name(network)).exists()
            if found and not is_kept and time.monotonic() + of_one_view * views > end:
                left_out += 1
                continue
            try:
                found.append(self._head(Settings(network)))
            except TransferlineError as error:
                failed.append(error)
                say(f"{network} is left out: {error}")
                continue
            self.data.value(found[0].predictions[0])  # raises an error if the metric is not defined on this division
        if left_out:
            say(f"heads: {left_out} of {len(self.networks)} networks are left out: they do not fit into their time")
        if not found:
            raise failed[-1]
        found.sort(key=lambda one: (one.settings.network.place != own_of(self.base), -one.value))
        return winner_first(self.data.params, found)

    def _head(self, settings: Settings) -> Scored:
        start = time.monotonic()
        with self.kept(_head_name(settings.network)) as parts:
            if is_new := not parts:
                parts += score_head(self.data, candidate_of(settings, self.base))
        if is_new:
            self.record(settings, "head", parts, start)
        scored = self.scored(settings, parts)
        self.best = max(self.best, scored.value)
        return scored

    def present(self, trained: Callable[[], pd.DataFrame | None] = lambda: None) -> None:
        """Trains the candidate as it is on the first division, if it can be trained.

        Args:
            trained: returns its predictions, if the project has trained it already.

        Raises:
            TransferlineError: the time of the search is up before. Without this training it is unknown whether any
                other settings are better.
        """
        settings = present_settings(self.base)
        try:
            start = time.monotonic()
            with self.kept(f"{PRESENT_TRIAL} division 0") as parts:
                if is_new := not parts:
                    found = trained()
                    parts.append(self.train(settings, 0, self.end) if found is None else found)
            if is_new:
                self.record(settings, "present", parts, start)
        except TransferlineError as error:
            say(f"cannot compare the candidate as it is: {error}")
        except TimeIsUpError as error:
            raise TransferlineError(TOO_SHORT) from error

    def to_beat(self, heads: list[Scored]) -> float:
        """Returns the value on the first division that a fine-tuning must exceed.

        It is that of the candidate as it is or of the preferred head, whichever is higher. For `heads` see `heads()`.
        """
        return max(map(self.data.value, [heads[0].predictions[0], *self.of_present]))

    @property
    def of_present(self) -> list[pd.DataFrame]:
        """The predictions of the candidate as it is on the first division; none if it could not be trained."""
        with self.kept(f"{PRESENT_TRIAL} division 0") as parts:
            return list(parts)

    def share_of_time(self, share: float) -> float:
        """Returns the time at which a share of the time that is left is over."""
        return time.monotonic() + share * (self.end - time.monotonic())

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

    def file(self, name: str) -> Path:
        """Returns the path of the file of `kept`."""
        return self.folder / f"{name}.parquet"

    @contextmanager
    def kept(self, name: str) -> Iterator[list[pd.DataFrame]]:
        """Yields the predictions in a file of this search, or an empty list. A list that gets filled is written."""
        file, start, added = self.file(name), time.monotonic(), ["division", "seconds"]
        table = pd.read_parquet(file) if file.exists() else None
        if table is not None:
            self.seconds[name] = float(table["seconds"].iloc[0])
        parts = [] if table is None else [part.drop(columns=added) for _, part in table.groupby("division")]
        yield parts
        if table is None and parts:
            self.seconds[name] = time.monotonic() - start
            joined = pd.concat([part.assign(division=number) for number, part in enumerate(parts)])
            joined = joined.assign(seconds=self.seconds[name])
            with completed(file) as partial:
                joined.to_parquet(partial, index=False)
