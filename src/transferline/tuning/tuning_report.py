"""The report of `tune`: `reports/tune/index.html`, a page that needs no other file, and the same as sentences."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from jinja2 import Environment

from transferline.atomic_files import completed_folder
from transferline.text import images_in_groups
from transferline.tuning.fine_tunings import FINISHED, HALVINGS, STATE, WHY_NONE
from transferline.tuning.scored import Scored, lead
from transferline.tuning.search_space import name_of
from transferline.tuning.trial_scores import Data

if TYPE_CHECKING:
    import optuna

REPORT = Path("reports/tune")
VALUE = "value"
HEADS = (
    "Each network without fine-tuning. The pooling avg is the average of the last feature map, levels that of feature "
    "maps of several sizes."
)

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<title>tune: {{ winner }}</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; color: #222; }
table { border-collapse: collapse; }
th, td { border: 1px solid #ccc; padding: .35em .6em; text-align: left; }
th { background: #f4f4f4; }
</style>
</head>
<body>
<h1>The settings that tune chose</h1>
{% for sentence in sentences %}<p>{{ sentence }}</p>{% endfor %}
{% for title, text, rows in tables %}
<h2>{{ title }}</h2>
<p>{{ text }}</p>
<table>
<tr>{% for name in rows[0] %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in rows %}<tr>{% for cell in row.values() %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}
</table>
{% endfor %}
</body>
</html>
"""


class Effect(NamedTuple):
    """How much a setting matters.

    Attributes:
        name: of the setting.
        means: for each of its values, the best first, the mean difference of its trials from all trials of their depth,
            and the number of these trials.
    """

    name: str
    means: dict[str, tuple[float, int]]

    @property
    def spread(self) -> float:
        """The difference between the best and the worst mean."""
        means = [mean for mean, _ in self.means.values()]
        return means[0] - means[-1]


def write_report(data: Data, heads: list[Scored], study: "optuna.Study", finals: list[Scored]) -> list[str]:
    """Writes the page and returns its sentences about the winner."""
    sentences = winner_sentences(data, heads, study, finals)
    tables: list[tuple[str, str, list[dict[str, Any]]]] = [
        ("Finalists", "On the same splits.", [{**_score(data, one), **one.settings.tree()} for one in finals]),
        ("Heads", HEADS, [_head(data, one) for one in heads]),
    ]
    if effects := main_effects(study, HALVINGS[0]):
        rows = [
            {"setting": one.name, "range": _number(one.spread), data.main_metric: "; ".join(_means(one))}
            for one in effects
        ]
        text = (
            f"The {data.main_metric} on validation after {HALVINGS[0]} epochs: the mean difference from all trials of "
            "the same depth, and in brackets the number of trials. A large range means something only if each value "
            "has many trials. The depth is not listed: after so few epochs most trials have trained only upper layers."
        )
        tables.append(("Which settings matter", text, rows))
    shown = [one for one in study.get_trials(False) if one.intermediate_values or one.user_attrs]
    if trials := [_trial(data, trial) for trial in shown]:
        text = (
            "Fine-tunings on the project's own split. A stopped one was worse than others after as many epochs; of a "
            "diverged one the loss became infinite or undefined; a failed one ended with an error."
        )
        tables.append(("Trials", text, trials))
    page = Environment(autoescape=True).from_string(PAGE)
    with completed_folder(REPORT) as folder:
        aligned = [(title, words, _aligned(rows)) for title, words, rows in tables]
        text = page.render(winner=finals[0].settings, sentences=sentences, tables=aligned)
        (folder / "index.html").write_text(text, encoding="utf-8")
    return sentences


def winner_sentences(data: Data, heads: list[Scored], study: "optuna.Study", finals: list[Scored]) -> list[str]:
    """Returns what was tried, the winner, and its difference to the best other finalist, with the interval."""
    winner, params = finals[0], data.params
    tried = len(study.get_trials(False, FINISHED))
    joined = pd.concat(winner.predictions, ignore_index=True)
    images = images_in_groups(joined["path"].nunique(), joined["group"].nunique())
    splits = f"{len(winner.predictions)} splits" if len(winner.predictions) > 1 else "one split"
    sentences = [
        f"{len(heads)} heads and {tried} fine-tunings were tried, with seed {params.seed}.",
        *(study.user_attrs[name] for name in (WHY_NONE,) if name in study.user_attrs),
        f"The winner: {winner.settings}.",
        f"Validation {params.select.metric} {_number(data.shown(winner.value))}, on {splits} with {images}.",
    ]
    if len(finals) > 1:
        gain = lead(params, winner, finals[1])
        share = f"{1 - params.promote.test.level:.0%}"
        is_behind = gain.gain < 0
        sentences.append(
            f"It {'is behind' if is_behind else 'leads'} by {abs(gain.gain):.4f} ({share} interval of its gain "
            f"{gain.low:+.4f} to {gain.high:+.4f}), paired over these images. The other is: {finals[1].settings}."
        )
        if is_behind:
            sentences.append(
                "The other is not better beyond noise, and tune then prefers the candidate as it is, then heads."
            )
    return sentences


def main_effects(study: "optuna.Study", step: int) -> list[Effect]:
    """Returns the effect of each setting after `step` epochs, the largest first.

    Only trials of the same depth are compared. Trials with fewer epochs, and values with one trial, are left out.
    """
    trials = [one for one in study.get_trials(False, FINISHED) if step in one.intermediate_values]
    if not trials:
        return []
    table = pd.DataFrame([{name_of(name): str(value) for name, value in one.params.items()} for one in trials])
    table[VALUE] = [one.intermediate_values[step] for one in trials]
    table[VALUE] -= table.groupby("depth")[VALUE].transform("mean")
    effects = []
    for name in table.columns.drop([VALUE, "depth"]):
        of_value = table.groupby(name)[VALUE].agg(["mean", "count"]).sort_values("mean", ascending=False)
        of_value = of_value[of_value["count"] > 1]
        if len(of_value) > 1:
            means = {str(value): (float(mean), int(count)) for value, (mean, count) in of_value.iterrows()}
            effects.append(Effect(name, means))
    return sorted(effects, key=lambda one: -one.spread)


def _aligned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the rows with the columns of all of them."""
    columns = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name, "") for name in columns} for row in rows]


def _means(effect: Effect) -> list[str]:
    return [f"{value}: {mean:+.4f} ({count})" for value, (mean, count) in effect.means.items()]


def _score(data: Data, one: Scored) -> dict[str, Any]:
    return {data.params.select.metric: _number(data.shown(one.value))}


def _head(data: Data, one: Scored) -> dict[str, Any]:
    network = one.settings.network
    shown = {"backbone": network.backbone, "px": network.side, "views": network.head_views, "pooling": network.pooling}
    return {**_score(data, one), **shown}


def _trial(data: Data, trial: "optuna.trial.FrozenTrial") -> dict[str, Any]:
    """Returns the row of a trial: its best epoch by the main metric, and `select.metric` if it is complete."""
    metric, epochs = data.params.select.metric, trial.intermediate_values.values()
    row = {"trial": trial.number, metric: "", data.main_metric: _number(max(epochs)) if epochs else ""}
    if trial.value is not None and trial.state.name == "COMPLETE":
        row[metric] = _number(data.shown(trial.value))
    state = "complete" if trial.state.name == "COMPLETE" else trial.user_attrs.get(STATE, "interrupted")
    settings = {name_of(name): value for name, value in trial.params.items()}
    return {**row, "epochs": trial.last_step or 0, "state": state, **settings}


def _number(value: float) -> str:
    return f"{value:.4f}"
