"""The sections about the origin of the model and about the champions so far."""

from typing import Any

from transferline.datasets.dvc_lock_file import LOCK
from transferline.not_applicable import NotApplicableError
from transferline.plots import BLUE, GREY
from transferline.project_files import installed_version
from transferline.registry.ledger import Move
from transferline.registry.lineage import provenance
from transferline.registry.trained_data import trained_data
from transferline.report.blocks import Block, Table, Text
from transferline.report.page_pictures import chart
from transferline.report.report_inputs import ReportInputs
from transferline.stage_seconds import seconds_of_stages

WORDS = {
    "dataset": "dataset",
    "data_revision": "revision of the data (DVC)",
    "corrections_revision": "revision of the corrections (DVC)",
    "images": "images",
    "git_commit": "Git commit",
    "git_changed": "uncommitted changes",
    "dvc_lock_sha256": f"sha256 of {LOCK}",
}
SHORT = 12  # characters of a hash


def lineage(inputs: ReportInputs) -> list[Block]:
    """Returns Git commit, revision of the data, code, libraries, and the seconds of each stage."""
    if inputs.own_moves:
        origin, caption = inputs.own_moves[0].copied_tags(), "As registered"
    else:
        origin = provenance(inputs.root, trained_data(inputs.root, inputs.params.data.dataset))
        caption = "Of the project when this page was written"
    rows = [[WORDS[name], value] for name, value in origin.items() if name in WORDS]
    rows.append(["transferline", installed_version()])
    seconds = seconds_of_stages(inputs.root)
    code = inputs.code
    stages = [*seconds, *(name for name in code if name not in {stage.partition("@")[0] for stage in seconds})]
    libraries = {name: each for entry in code.values() for name, each in entry.items() if name != "source"}
    return [
        Table(["what", "value"], rows, caption),
        Table(
            ["stage", "hash of its code", "seconds of its last run"],
            [[name, _code(code, name), f"{seconds[name]:.1f}" if name in seconds else "–"] for name in stages],
        ),
        Table(["library", "version"], sorted([name, each] for name, each in libraries.items())),
    ]


def _code(code: dict[str, dict[str, str]], stage: str) -> str:
    return code.get(stage.partition("@")[0], {}).get("source", "–")[:SHORT]


def champions(inputs: ReportInputs) -> list[Block]:
    """Returns every move of the alias champion with its test metric, the latest first."""
    if not inputs.moves:
        raise NotApplicableError(inputs.warning or f"there is no champion of {inputs.params.promote.model_name} yet")
    rows = [
        [
            move.time[:16].replace("T", " "),
            move.kind + (", forced" if move.forced else ""),
            move.version,
            f"{move.candidate}, {move.phase}",
            move.figure,
            move.data_revision[:SHORT] or "–",
            move.git_commit[:SHORT] or "–",
            move.who,
            move.reason,
        ]
        for move in inputs.moves
    ]
    heads = ["time (UTC)", "move", "version", "model", "test metric", "data", "commit", "who", "reason"]
    warning = [Text(f"Warning: {inputs.warning}", "bad")] if inputs.warning else []
    return [*warning, *_chart(inputs.moves[::-1]), Table(heads, rows, "The latest move comes first.", 0)]


def _chart(moves: list[Move]) -> list[Block]:
    """Returns the test metrics of the champions over time, if there are several with the same metric."""
    metric = moves[-1].figure.partition(" ")[0]
    shown = [move for move in moves if move.figure.partition(" ")[0] == metric]
    if len(shown) < 2:
        return []

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.plot(range(len(shown)), [float(move.figure.split()[1]) for move in shown], "o-", color=BLUE)
        axes.set_xticks(range(len(shown)), [f"{move.version}\n{move.time[:10]}" for move in shown], fontsize=8)
        axes.set(xlabel="version and date", ylabel=f"test {metric.replace('_', ' ')}")
        axes.grid(color=GREY, alpha=0.3)

    caption = "Each on the test set of its time: values of different test sets differ for that reason, too."
    return [chart(draw, 5.4, 3, "The test metric of each champion in the order of time", caption)]
