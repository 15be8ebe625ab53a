"""The files of a decision: `decision.json` for programs, and pictures of what changes."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transferline.atomic_files import completed_folder, write_json
from transferline.hashes import file_sha256
from transferline.models.exported import MODEL_FILE
from transferline.params import Params
from transferline.paths import DECISION, RAW
from transferline.registry.decision_pictures import draw_changed, plot_class_changes, plot_gain
from transferline.registry.gate_verdicts import Gate
from transferline.registry.model_comparison import Comparison, Scored
from transferline.registry.trained_data import TrainedData

REPORT = DECISION.parent
LISTED = 1000
# Keys of a model's row in `decision.json`, where they are known.
DECIDED = ("coverage", "answered_error")  # if its card has a limit on confidence
ROBUST = ("under_corruptions", "under_attacks")  # if its evaluation has these metrics
CHANGED = ("regressions", "improvements")


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
        left_out: the number of test images that are not compared, because the champion was trained on them.
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
    left_out: int = 0
    warning: str = ""

    def failed(self, gate: str) -> bool:
        """Whether the gate of that name failed."""
        return any(each.name == gate and each.state == "failed" for each in self.gates)

    @property
    def verdict(self) -> str:
        """The decision in a few words."""
        return "promote, forced" if self.forced else "promote" if self.accepted else "do not promote"


def write_decision(case: Case, params: Params, root: Path, model: Path) -> Path:
    """Writes `decision.json` and the pictures of the comparison into `reports/decision`; returns that folder.

    `model` is the folder of the challenger.
    """
    with completed_folder(root / REPORT) as folder:
        write_json(folder / DECISION.name, _tree(case, params) | {"model_sha256": file_sha256(model / MODEL_FILE)})
        _draw(case, params, root, folder)
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


def _tree(case: Case, params: Params) -> dict[str, Any]:
    tree = {
        "model": params.promote.model_name,
        "verdict": case.verdict,
        "accepted": case.accepted,
        "reason": case.reason,
        "warning": case.warning,
        "metric": params.select.metric,
        "confidence": params.evaluate.confidence,
        "images": case.challenger.metrics["n"],
        "groups": case.challenger.metrics["groups"],
        "left_out": case.left_out,
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
        tree["counts"] = {name: len(getattr(case.change, name)) for name in CHANGED}
        tree["explanations"] = _explanations(case, params)
        for name in CHANGED:
            changed = case.challenger.predictions.iloc[getattr(case.change, name)[:LISTED]]
            columns = ["path", "label", "predicted", "confidence", "mean_iou"]
            tree[name] = changed[[column for column in columns if column in changed]].to_dict("records")
    return tree


def _explanations(case: Case, params: Params) -> dict[str, str]:
    """Returns a caption for each picture."""
    measure = case.challenger.kind.compared
    classes = f"{measure} and number of images; the bars are {1 - params.promote.test.level:.0%} intervals."
    changed = dict(zip(CHANGED, case.challenger.kind.explain_changes(params.evaluate.gallery), strict=True))
    return {"classes": classes, **changed}


def _draw(case: Case, params: Params, root: Path, folder: Path) -> None:
    """Draws gain, classes, regressions and improvements; nothing without a champion."""
    champion, change = case.champion, case.change
    if champion is None or change is None:
        return
    plot_gain(change.whole, params.select.metric, params.promote.min_improvement, folder / "gain.png")
    plot_class_changes(change, case.challenger.kind.compared, params.promote.max_class_drop, folder / "classes.png")
    raw, most = root / RAW / params.data.dataset, params.evaluate.gallery
    for name in CHANGED:
        if len(positions := getattr(change, name)):
            draw_changed(positions, champion, case.challenger, raw, most, folder / f"{name}.png")
