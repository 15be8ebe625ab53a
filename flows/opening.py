"""Describes a retraining before it starts: its data, the champion, the stages with their reasons, the expected time."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transferline.datasets.since_training import changes_since_training
from transferline.datasets.version_difference import SHOWN, Difference, images_by_class
from transferline.errors import TransferlineError
from transferline.params import Params
from transferline.paths import CORRECTIONS, RAW
from transferline.pipeline import Step
from transferline.registry.champion import describe_champion
from transferline.stage_seconds import seconds_of_stages
from transferline.text import first_of, reason_of
from transferline.why_stages_run import NEVER_RUN

PROMOTE = "promote"
NAMED_PARAMS, LONGEST_NAME = 3, 120


@dataclass(frozen=True)
class Opening:
    """The facts about a retraining before its first stage.

    Attributes:
        changes: what changed since the last training, in a few words. The name of the run contains them.
        facts: a line about the data, one about the champion, one with the number of stages and their expected time.
        stages: the reasons for each stage that runs, by its name.
    """

    changes: str
    facts: list[str]
    stages: dict[str, str]

    def text(self) -> str:
        """Returns the text for the console."""
        width = max(map(len, self.stages), default=0)
        return "\n".join([*self.facts, *(f"  {name:<{width}}  {why}" for name, why in self.stages.items())])

    def markdown(self) -> str:
        """Returns the text for Prefect's page."""
        rows = [f"| {name} | {why} |" for name, why in self.stages.items()]
        return "\n".join([*(f"- {fact}" for fact in self.facts), "", "| stage | why |", "|---|---|", *rows])


def open_run(root: Path, params: Params, steps: Mapping[str, Step], promote: bool) -> Opening:
    """Collects the facts about the data, the plan and the champion.

    Raises:
        TransferlineError: MLflow does not answer.
    """
    dataset = params.data.dataset
    difference, data = None, f"{RAW / dataset}: is fetched in this run"
    if (root / RAW / dataset).is_dir():
        try:
            difference = changes_since_training(root, dataset)
            data = _describe_data(root, dataset, difference)
        except TransferlineError as error:  # the run continues: `validate` reports all faults of the data together
            data = f"{RAW / dataset}: {reason_of(error)}"
    return Opening(
        _changes(dataset, steps, difference),
        [data, describe_champion(params, root), _describe_steps(root, list(steps), promote)],
        {name: "; ".join(step.reasons) for name, step in steps.items()},
    )


def _describe_data(root: Path, dataset: str, difference: Difference) -> str:
    counts = images_by_class(difference.after, difference.after.labels)
    shown = first_of([f"{name} {count:,}" for name, count in counts.items()], SHOWN)
    classes = f" in {len(counts)} classes ({shown})" if counts else ""
    corrected = ", before corrections" if (root / CORRECTIONS / f"{dataset}.csv").exists() else ""
    since = f"since the last training: {difference}" if difference.before.files else "nothing was trained on it yet"
    fault = f", labels unknown: {difference.after.fault}" if difference.after.fault else ""
    return f"{RAW / dataset}: {len(difference.after.labels):,} images{classes}{fault}{corrected}; {since}"


def _describe_steps(root: Path, steps: list[str], promote: bool) -> str:
    """Returns a line with the number of stages that run, and the seconds that earlier runs took."""
    known, names = seconds_of_stages(root), [*steps, *([PROMOTE] if promote else [])]
    lacking = [name for name in names if name not in known]
    took = f"took {sum(known.get(name, 0) for name in names):.0f} s one after the other in earlier runs"
    if lacking:
        took += f", without {first_of(lacking, 3)}"
    if lacking == names:
        took = "no earlier run measured how long they take"
    what = f"{len(steps)} stage{'s' * (len(steps) != 1)}{' and promotion' * promote}"
    return f"to run: {what}; {took}"


def _changes(dataset: str, steps: Mapping[str, Step], difference: Difference | None) -> str:
    """Returns what changed since the last training, such as `+70 images of 2 classes; params: lite0 learning rate`."""
    if not steps:
        return "no change"
    if difference is None or not difference.before.files:
        return f"first training on {dataset}"
    whys = [step.why for step in steps.values()]
    keys = dict.fromkeys(_short(key) for why in whys for key in why.params)
    forced = [why.reasons[0] for step, why in zip(steps.values(), whys, strict=True) if step.forced]
    parts = [
        difference.in_short(),
        "corrections" if any(reason.startswith(f"{CORRECTIONS} ") for why in whys for reason in why.reasons) else "",
        *_new_candidates(steps),
        f"params: {first_of(list(keys), NAMED_PARAMS)}" if keys else "",
        *dict.fromkeys("code" if change == "its code changed" else change for why in whys for change in why.code),
        *dict.fromkeys(forced),
    ]
    changes = "; ".join(filter(None, parts)) or whys[0].reasons[0]
    return changes if len(changes) <= LONGEST_NAME else f"{changes[: LONGEST_NAME - 1]}…"


def _new_candidates(steps: Mapping[str, Step]) -> list[str]:
    """Returns a phrase for each new candidate: one whose stages have all never run."""
    reasons: dict[str, list[list[str]]] = {}
    for name, step in steps.items():
        if candidate := name.partition("@")[2]:
            reasons.setdefault(candidate, []).append(step.reasons)
    return [f"new candidate {name}" for name, found in reasons.items() if all(each == [NEVER_RUN] for each in found)]


def _short(key: str) -> str:
    """Returns a short name of a key of the params.

    Examples: `lite0 learning rate` for `candidates.lite0.train_head.optimizer.learning_rate`; `augment rotation` for
    `augment.rotation`.
    """
    parts = key.split(".")
    words = [parts[1] if parts[0] == "candidates" else parts[0], parts[-1].replace("_", " ")]
    return " ".join(dict.fromkeys(words))
