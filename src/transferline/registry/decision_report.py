"""The decision report: `decision.json` for programs, and `index.html`, a page that needs no other file."""

import base64
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment

from transferline.atomic_files import completed_folder, write_json
from transferline.metrics.rejection import promise
from transferline.params import Params
from transferline.params.problem_kinds import KINDS
from transferline.paths import DECISION, RAW
from transferline.registry.decision_data import SPLITS, data_rows, data_sentences
from transferline.registry.decision_pictures import draw_changed, plot_class_changes, plot_gain
from transferline.registry.gate_verdicts import Gate
from transferline.registry.model_comparison import Comparison, Scored
from transferline.registry.trained_data import TrainedData
from transferline.text import images_in_groups

REPORT = DECISION.parent
LISTED = 1000
ROBUST = ("under_corruptions", "under_attacks")  # keys of a model's row, if its evaluation has these metrics
DECIDED = ("coverage", "answered_error")  # the same

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta name="viewport" content="width=device-width, initial-scale=1.0">
<title>{{ model }}: {{ verdict }}</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; color: #222; }
h1 { border-bottom: 2px solid #888; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid #ccc; padding: .35em .6em; text-align: left; vertical-align: top; }
th { background: #f4f4f4; }
td:first-child, td:nth-child(2) { white-space: nowrap; }
.passed { color: #1a7f37; } .failed { color: #b00020; font-weight: bold; } .not { color: #666; }
img { max-width: 100%; display: block; }
</style>
</head>
<body>
<h1>{{ model }}: {{ verdict }}</h1>
{% if warning %}<p class="failed">Warning: {{ warning }}</p>{% endif %}
<p>{{ reason }}</p>
<table>
<tr><th></th><th>model</th><th>test {{ metric }}</th><th>ms per image</th><th>MB</th>
{% for name in more + decided %}<th>{{ name.replace("_", " ") if name in decided else name }}</th>{% endfor %}
{% for name in robust %}<th>{{ robust_metric }} {{ name.replace("_", " ") }}</th>{% endfor %}</tr>
{% for role, row in models %}
<tr><td>{{ role }}</td><td>{{ row.name }}</td>
<td>{{ "%.4f"|format(row.value) }}
{% if row.low is not none %}({{ "%.4f to %.4f"|format(row.low, row.high) }}){% endif %}</td>
<td>{{ "%.2f"|format(row.latency_ms) }}</td><td>{{ "%.2f"|format(row.size_mb) }}</td>
{% for name in more + decided + robust %}<td>{{ "%.4f"|format(row[name]) if name in row else "" }}</td>{% endfor %}</tr>
{% endfor %}
</table>
<p>The test split has {{ test_images }}. In brackets: the {{ share }} interval.</p>
{% if promise %}<p>The challenger gives no label to unsure images. Its promise: {{ promise }}.</p>{% endif %}
<h2>Gates</h2>
<table>
<tr><th>gate</th><th>verdict</th><th>reason</th></tr>
{% for gate in gates %}
<tr><td>{{ gate.name }}</td><td class="{{ gate.state.split()[0] }}">{{ gate.state }}</td>
<td>{{ gate.sentence }}</td></tr>
{% endfor %}
</table>
<h2>Data</h2>
{% for sentence in data_sentences %}<p>{{ sentence }}</p>{% endfor %}
<table>
<tr><th>class</th>{% for split in splits %}<th>{{ split }}</th>{% endfor %}</tr>
{% for name, cells in data_rows %}
<tr><td>{{ name }}</td>{% for cell in cells %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</table>
{% for title, text, picture in pictures %}
<h2>{{ title }}</h2>
<p>{{ text }}</p>
{% if picture %}<img src="data:image/png;base64,{{ picture }}" alt="{{ title }}">{% endif %}
{% endfor %}
</body>
</html>
"""


@dataclass(frozen=True)
class Case:
    """A decision and its basis.

    Attributes:
        accepted: whether the challenger becomes the champion.
        forced: whether it becomes the champion although gates failed.
        reason: the reason, in a sentence.
        version: the champion's version; None without a champion.
        test_set: the sha256 of the list of test images.
        data: the challenger's training data.
        champion_data: the champion's training data; None if it is not known.
        warning: a reason to doubt the decision; empty if there is none.
    """

    accepted: bool
    forced: bool
    reason: str
    gates: list[Gate]
    challenger: Scored
    champion: Scored | None
    change: Comparison | None
    version: str | None
    test_set: str
    data: TrainedData
    champion_data: TrainedData | None = None
    warning: str = ""

    def failed(self, gate: str) -> bool:
        """Whether the gate of that name failed."""
        return any(each.name == gate and each.state == "failed" for each in self.gates)

    @property
    def verdict(self) -> str:
        """The decision in a few words."""
        return "promote, forced" if self.forced else "promote" if self.accepted else "do not promote"


def write_decision(case: Case, params: Params, root: Path) -> Path:
    """Writes the report into `reports/decision`; returns that folder."""
    with completed_folder(root / REPORT) as folder:
        write_json(folder / "decision.json", _tree(case, params))
        page = Environment(autoescape=True).from_string(PAGE)
        names = {"challenger": case.challenger, f"champion, version {case.version}": case.champion}
        models = [(role, _row(scored, params.select.metric)) for role, scored in names.items() if scored]
        more = _of_new_classes(case.change, params.select.metric, case.challenger.kind.class_measure)
        models = [(role, row | more.get(role.partition(",")[0], {})) for role, row in models]
        text = page.render(
            model=params.promote.model_name,
            verdict=case.verdict,
            reason=case.reason,
            warning=case.warning,
            metric=params.select.metric,
            models=models,
            test_images=images_in_groups(case.challenger.metrics["n"], case.challenger.metrics["groups"]),
            share=f"{params.evaluate.confidence:.0%}",
            data_sentences=data_sentences(case.data, case.champion_data),
            data_rows=data_rows(case.data, case.champion_data),
            splits=SPLITS,
            more=list(more.get("challenger", {})),
            decided=[name for name in DECIDED if any(name in row for _, row in models)],
            promise=promise(rejection) if (rejection := case.challenger.card.rejection) else "",
            robust=[name for name in ROBUST if any(name in row for _, row in models)],
            robust_metric=KINDS[case.challenger.card.problem].main_metric.replace("_", " "),
            gates=case.gates,
            pictures=_pictures(case, params, root),
        )
        (folder / "index.html").write_text(text, encoding="utf-8")
    return root / REPORT


def _row(scored: Scored, metric: str) -> dict[str, Any]:
    optional = dict(zip(ROBUST, (scored.corruption_accuracy, scored.adversarial_accuracy), strict=True))
    optional |= {name: scored.metrics.get(name) for name in DECIDED}
    return {
        "name": f"{scored.card.candidate}, {scored.card.phase}",
        "value": scored.metrics[metric],
        "low": scored.metrics[f"{metric}_low"],
        "high": scored.metrics[f"{metric}_high"],
        "latency_ms": scored.latency_ms,
        "size_mb": scored.size_mb,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _of_new_classes(change: Comparison | None, metric: str, measure: str) -> dict[str, dict[str, float]]:
    """Returns further columns of the table of models, by role; nothing if the challenger has no new classes."""
    if change is None or not change.new_classes:
        return {}
    new = {f"{measure} of {name} (new)": value for name, value in change.new_classes.items()}
    if change.common is None:
        return {"challenger": new}
    column = f"test {metric} without the new classes ({change.common.images} images)"
    return {"challenger": {column: change.common.challenger, **new}, "champion": {column: change.common.champion}}


def _tree(case: Case, params: Params) -> dict[str, Any]:
    tree = {
        "model": params.promote.model_name,
        "verdict": case.verdict,
        "reason": case.reason,
        "warning": case.warning,
        "metric": params.select.metric,
        "images": case.challenger.metrics["n"],
        "groups": case.challenger.metrics["groups"],
        "test_set": case.test_set,
        "data": {
            "challenger": case.data.model_dump(),
            "champion": case.champion_data and case.champion_data.model_dump(),
        },
        "challenger": _row(case.challenger, params.select.metric),
        "rejection": case.challenger.card.rejection and case.challenger.card.rejection.model_dump(),
        "gates": [asdict(gate) for gate in case.gates],
    }
    if case.champion and case.change:
        tree["champion"] = {"version": case.version, **_row(case.champion, params.select.metric)}
        tree["gain"], tree["new_classes"] = asdict(case.change.whole), case.change.new_classes
        tree["gain_on_common_classes"] = case.change.common and asdict(case.change.common)
        tree["classes"] = [asdict(one) for one in case.change.classes]
        for name in ("regressions", "improvements"):
            changed = case.challenger.predictions.iloc[getattr(case.change, name)[:LISTED]]
            columns = ["path", "label", "predicted", "confidence", "mean_iou"]
            tree[name] = changed[[column for column in columns if column in changed]].to_dict("records")
    return tree


def _pictures(case: Case, params: Params, root: Path) -> list[tuple[str, str, str]]:
    """Returns title, explanation and PNG in base64 of each picture; without a champion there are none."""
    champion, change = case.champion, case.change
    if champion is None or change is None:
        return []
    raw, most, allowed = root / RAW / params.data.dataset, params.evaluate.gallery, params.promote.max_class_drop
    measure = case.challenger.kind.compared
    share = f"{1 - params.promote.test.level:.0%}"
    with tempfile.TemporaryDirectory() as scratch:

        def png(name: str) -> str:
            path = Path(scratch) / f"{name}.png"
            return base64.b64encode(path.read_bytes()).decode() if path.exists() else ""

        plot_gain(change.whole, params.select.metric, params.promote.min_improvement, Path(scratch) / "gain.png")
        plot_class_changes(change, measure, allowed, Path(scratch) / "classes.png")
        for name in ("regressions", "improvements"):
            positions = getattr(change, name)
            if len(positions):
                draw_changed(positions, champion, case.challenger, raw, most, Path(scratch) / f"{name}.png")
        whole = change.whole
        of = f"of the {whole.images} images" if whole.groups == whole.images else f"of the {whole.groups} groups"
        gain = f"The dot is the gain, the bar its {share} interval from resamples {of}. "
        gain += f"The permutation test swaps the predictions {of}: p = {whole.p_value:.2g}."
        lost, gained = case.challenger.kind.explain_changes(most)
        return [
            ("Gain", gain, png("gain")),
            ("Classes", f"{measure} and number of images; the bars are {share} intervals.", png("classes")),
            (f"Regressions: {len(change.regressions)}", lost, png("regressions")),
            (f"Improvements: {len(change.improvements)}", gained, png("improvements")),
        ]
