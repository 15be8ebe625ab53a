"""The fine-tunings of `tune`: Optuna proposes settings, and successive halving stops those that are worse."""

import hashlib
import math
import time

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from transferline.errors import TransferlineError
from transferline.progress import say
from transferline.tuning.scored import Scored
from transferline.tuning.search import Search, TimeIsUpError, stop_at
from transferline.tuning.search_space import FIRST, Settings, settings_of, suggest

HALVINGS = (2, 6, 18)  # the epochs after which successive halving stops trials
KEPT_SHARE = 3  # it lets the best of so many go on
KEPT_NETWORKS = 3  # of the heads
SHARE_OF_TIME = 0.6  # of what is left when they begin; the finalists have the rest
MOST_FAILURES = 3  # fine-tunings that fail one after the other; then there are no more
MOST_ASKED = 20  # proposals for one trial of the sampler that learns from results, and as many random ones
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
WHY_NONE = "why_none"  # a sentence of the study, if no fine-tuning is tried
STATE = "state"  # why a trial of Optuna ended early: `stopped`, `diverged` or `failed`


class DivergedError(Exception):
    """The loss of a trial is not finite after its first epoch."""


class WorseError(Exception):
    """A trial is worse than others after the same number of epochs."""


def try_fine_tunings(search: Search, heads: list[Scored]) -> optuna.Study:
    """Tries fine-tunings of the best networks, by successive halving over epochs, until the limit."""
    by_place = {one.settings.network.place: str(one.settings.network) for one in reversed(heads)}
    best = list(dict.fromkeys(one.settings.network.place for one in heads))
    networks = [by_place[place] for place in best[:KEPT_NETWORKS]]
    study, end = _study(search, networks), search.share_of_time(SHARE_OF_TIME)
    is_ladder = bool(search.of_present) and len(search.base.backbone.boundaries) > 1  # the candidate as it is
    first = FIRST[1:] if is_ladder else FIRST
    if search.to_beat(heads) >= search.data.perfect:
        metric = search.data.params.select.metric
        study.set_user_attr(
            WHY_NONE, f"No fine-tuning can have a better {metric} on the first split, so none was tried."
        )
        say(study.user_attrs[WHY_NONE])
        return study
    failed, in_a_row = list[Settings](), 0  # in this call: the next one tries them again
    while search.trials is None or len(study.get_trials(False, FINISHED)) < search.trials:
        done = len(study.get_trials(False, FINISHED))
        try:
            stop_at(end)
            trial, settings = _ask(search, study, networks, first[done] if done < len(first) else {}, failed)
            in_a_row = 0 if _try(search, study, trial, settings, end) else in_a_row + 1
        except TimeIsUpError:
            say("the time for further fine-tunings is up")
            break
        if in_a_row:
            failed.append(settings)
        if in_a_row == MOST_FAILURES:
            say(f"no more fine-tunings: the last {MOST_FAILURES} failed")
            break
    return study


def _study(search: Search, networks: list[str]) -> optuna.Study:
    """Returns the study of these networks; Optuna cannot add networks to a study."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(search.folder / "optuna.log"))),
        study_name=hashlib.sha256(repr(networks).encode()).hexdigest()[:12],
        direction="maximize",
        pruner=optuna.pruners.NopPruner(),
        load_if_exists=True,
    )
    for trial in study.get_trials(False, (TrialState.RUNNING,)):  # of a call that was interrupted
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def _try(search: Search, study: optuna.Study, trial: optuna.Trial, settings: Settings, end: float) -> bool:
    """Trains the settings of a trial, and returns False if that fails."""
    start, values = time.monotonic(), list[float]()

    def report(value: float) -> None:
        if math.isnan(value):
            if not values:
                raise DivergedError
            return  # the stage keeps the best epoch before
        values.append(value)
        trial.report(max(values), len(values))
        if len(values) in HALVINGS and is_worse(max(values), len(values), settings.depth, study):
            raise WorseError

    try:
        with search.kept(f"{study.study_name} trial {trial.number} division 0") as parts:
            parts.append(search.train(settings, 0, end, report))
        value = search.data.value(parts[0])
    except (WorseError, DivergedError, TransferlineError) as error:
        state = {WorseError: "stopped", DivergedError: "diverged"}.get(type(error), "failed")
        trial.set_user_attr(STATE, state)
        study.tell(trial, state=TrialState.FAIL if state == "failed" else TrialState.PRUNED)
        best = max(values, default=None)
        at = f" at {search.data.main_metric} {best:.4f}" if values else ""
        why = f": {error}" if state == "failed" else ""
        say(f"trial {trial.number} {state} after {len(values)} epochs{at}: {settings}{why}")
        search.runs.record(settings, state, search.data.main_metric, best, 0, time.monotonic() - start)
        return state != "failed"
    except BaseException:
        study.tell(trial, state=TrialState.FAIL)
        raise
    study.tell(trial, value)
    search.record(settings, "complete", parts, start)
    return True


def _ask(
    search: Search, study: optuna.Study, networks: list[str], fixed: dict[str, object], failed: list[Settings]
) -> tuple[optuna.Trial, Settings]:
    """Returns a trial of new settings: the fixed ones, or those that a sampler proposes.

    The sampler often proposes the settings again that it has found best. Only if random ones are not new either, which
    means that nearly all were tried, the trial repeats one.
    """
    finished = study.get_trials(False, FINISHED)
    tried = [settings_of(one.params, search.networks) for one in finished] + failed
    seed = search.data.params.seed + len(finished)
    if fixed:
        usual = {"learning_rate": 1e-3, "label_smoothing": 0.1, "weight_decay": 0.0}
        study.enqueue_trial({"network": networks[0], **usual, **fixed})
    samplers = optuna.samplers.TPESampler(seed=seed, n_startup_trials=8), optuna.samplers.RandomSampler(seed=seed)
    for number in range(2 * MOST_ASKED):
        study.sampler = samplers[number >= MOST_ASKED]
        trial = study.ask()
        suggest(trial, networks, search.data.params.augment)
        settings = settings_of(trial.params, search.networks)
        if settings not in tried or number == 2 * MOST_ASKED - 1:
            break
        study.tell(trial, state=TrialState.FAIL)
    return trial, settings


def is_worse(value: float, epochs: int, depth: str, study: "optuna.Study") -> bool:
    """Returns whether successive halving stops a trial.

    Only trials of the same depth are compared: after the same number of epochs, those of other depths have trained
    other layers. Trials that were interrupted do not count, so that a search that goes on stops the same trials (Li and
    others, A system for massively parallel hyperparameter tuning, MLSys 2020).
    """
    others = [one for one in study.get_trials(False, FINISHED) if one.params["depth"] == depth]
    values = [value, *(one.intermediate_values[epochs] for one in others if epochs in one.intermediate_values)]
    return value < sorted(values, reverse=True)[max(1, len(values) // KEPT_SHARE) - 1]
