"""The end of a search: the best settings are compared on the same repeated splits."""

from typing import TYPE_CHECKING

import pandas as pd
from optuna.trial import TrialState
from scipy.stats import norm

from transferline.errors import TransferlineError
from transferline.params import Params
from transferline.progress import say
from transferline.tuning.scored import Scored, standard_error, winner_first, with_first
from transferline.tuning.search import PRESENT_TRIAL, Search, TimeIsUpError
from transferline.tuning.search_space import PRESENT, Settings, present_settings, settings_of

if TYPE_CHECKING:
    import optuna

FINE_TUNINGS = 2  # that are compared
ERRORS = 1.0  # see `winner_first`
CHANCE = 0.025  # of a lead by luck, if the best is compared on the images on which it was chosen among others


def compare_finalists(search: Search, heads: list[Scored], study: "optuna.Study") -> list[Scored]:
    """Scores the candidate as it is and the best fine-tunings on the other divisions, as far as time allows.

    They and the first two heads are compared on the same divisions: those after the first, on which the fine-tunings
    were chosen; without time for others, on the first. A fine-tuning is left out if it is not better than the first
    head and the candidate as it is on the first division.

    Returns:
        The winner, see `choose`, then the others, the best first.
    """
    better = _better(search, study, search.to_beat(heads))
    finalists = {f"{study.study_name} trial {number}": one for number, one in better.items()}
    if search.of_present:
        finalists = {PRESENT_TRIAL: present_settings(search.base), **finalists}
    found = {name: list[pd.DataFrame]() for name in finalists}
    try:
        for division in range(len(search.data.divisions)):
            for name, settings in finalists.items():
                with search.kept(f"{name} division {division}") as parts:
                    if not parts:
                        parts.append(search.train(settings, division, search.end))
                found[name] += parts
    except (TimeIsUpError, TransferlineError) as error:
        why = "the time is up" if isinstance(error, TimeIsUpError) else error
        say(f"the finalists are compared on fewer splits: {why}")
    common = min(map(len, found.values()), default=len(search.data.divisions))
    compared = slice(1, common) if common > 1 else slice(common)
    scored = {name: search.scored(settings, found[name][compared]) for name, settings in finalists.items()}
    compared_heads = [search.scored(head.settings, head.predictions[compared]) for head in heads[:2]]
    for one in (everything := [*scored.values(), *compared_heads]):
        search.record(one.settings, "final", one.predictions)
    tried = len(study.get_trials(False, (TrialState.COMPLETE,)))
    errors = ERRORS if common > 1 else errors_by_luck(tried)  # the fine-tunings were chosen on the first division
    winner = choose(search.data.params, compared_heads, list(scored.values()), errors_by_luck(len(heads)), errors)
    return with_first(winner, everything)


def choose(params: Params, heads: list[Scored], others: list[Scored], luck: float, errors: float) -> Scored:
    """Returns the winner.

    It is the first of `others` that is at most `errors` standard errors worse than the best of them, unless a head
    leads it by more than `luck` standard errors, or it is a fine-tuning and a head is at most one standard error worse.

    Args:
        params: the whole params.
        heads: on the same divisions as `others`, in the order of preference.
        others: the candidate as it is, if it could be trained, then fine-tunings.
        luck: see `errors_by_luck`: on these divisions, the heads are the best of several.
        errors: see above.
    """
    if not others:
        return winner_first(params, heads, luck)[0]
    winner = winner_first(params, others, errors)[0]
    leads = [(head.value - winner.value, standard_error(params, head, winner), head) for head in heads]
    better = (head for lead, error, head in leads if lead > luck * error)
    simpler = (head for lead, error, head in leads if winner.settings.depth != PRESENT and -lead <= ERRORS * error)
    return next(better, None) or next(simpler, winner)


def errors_by_luck(count: int) -> float:
    """Returns the standard errors by which the best of `count` equal settings leads with a probability of `CHANCE`.

    This is the bound of Bonferroni, one-sided: 2.0 for one, 2.8 for ten.
    """
    return float(norm.ppf(1 - CHANCE / max(1, count)))


def _better(search: Search, study: "optuna.Study", least: float) -> dict[int, Settings]:
    """Returns the best fine-tunings whose value is above `least`, by number, the best first."""
    better = [one for one in study.get_trials(False, (TrialState.COMPLETE,)) if float(one.value or 0) > least]
    complete = sorted(better, key=lambda trial: -float(trial.value or 0))
    first_of = {settings_of(trial.params, search.networks): trial.number for trial in reversed(complete)}
    return {number: settings for settings, number in list(reversed(first_of.items()))[:FINE_TUNINGS]}
