"""Reads the evaluations of all candidates and ranks them by validation; no test metric is used."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from transferline.errors import TransferlineError
from transferline.models.exported import Phase, Rejection
from transferline.params.problem_kinds import KINDS
from transferline.problems.evaluation import EvaluationOfKind, evaluation_of

PHASES = get_args(Phase)
DIGITS = 4  # decimals on the page. Models whose values look equal there count as equal: most differences are rounding.


@dataclass(frozen=True)
class EvaluatedModel:
    """One evaluated model.

    Attributes:
        folder: the folder of its evaluation.
        candidate, phase: of the model.
        metrics: the content of its `metrics.json`.
        latency: the content of its `latency.json`.
    """

    folder: Path
    candidate: str
    phase: str
    metrics: dict[str, Any]
    latency: dict[str, float]

    @property
    def name(self) -> str:
        """Candidate and phase."""
        return f"{self.candidate} {self.phase}"

    @property
    def kind(self) -> EvaluationOfKind:
        """The evaluation of its kind of problem."""
        return evaluation_of(self.metrics["problem"])

    @property
    def main_metric(self) -> str:
        """The main metric of its kind of problem."""
        return KINDS[self.metrics["problem"]].main_metric

    @property
    def is_refitted(self) -> bool:
        """Whether it was trained on validation images, too, when validation had decided everything."""
        return "validation" in self.metrics.get("trained_on", ())

    @property
    def is_its_head(self) -> bool:
        """Whether it is a fine-tuning that improved nothing: it has the weights of the head before a refit."""
        return bool(self.metrics.get("trainable") == 0)

    @property
    def rejection(self) -> Rejection | None:
        """The limit below which it predicts no label, from its card."""
        found = self.metrics.get("rejection")
        return Rejection(**found) if found else None

    def figure(self, split: str, metric: str) -> float | None:
        """Returns the value of a metric; None where it is not defined or the split does not exist."""
        value: float | None = self.metrics.get(split, {}).get(metric)
        return value

    def compared(self, metric: str) -> float | None:
        """Returns the validation metric by which models are compared, rounded to `DIGITS`."""
        value = self.figure("validation", metric)
        return None if value is None else round(value, DIGITS)


def read_evaluations(folder: Path, candidates: Iterable[str]) -> list[EvaluatedModel]:
    """Reads `<folder>/<candidate>/<phase>/` for the named candidates; other folders are ignored.

    Raises:
        TransferlineError: a candidate has no evaluation.
    """
    entries = []
    for candidate in candidates:
        phases = [phase for phase in PHASES if (folder / candidate / phase / "metrics.json").is_file()]
        if not phases:
            raise TransferlineError(
                f"{folder / candidate} holds no evaluation of the candidate {candidate}; run `dvc repro evaluate`"
            )
        for phase in phases:
            own = folder / candidate / phase
            metrics, latency = (
                json.loads((own / name).read_text("utf-8")) for name in ("metrics.json", "latency.json")
            )
            entries.append(EvaluatedModel(own, candidate, phase, metrics, latency))
    return entries


def ranking(entries: list[EvaluatedModel], metric: str, is_loss: bool) -> list[EvaluatedModel]:
    """Sorts entries by the validation metric, the best first; the lowest value of a loss is the best.

    Among equal entries, see `DIGITS`, the lower validation log loss decides, then the simpler phase, then the name. A
    fine-tuning that improved nothing has the values of its head: it is the same model, up to rounding and a refit.

    Raises:
        TransferlineError: no entry has the metric.
    """
    if all(entry.figure("validation", metric) is None for entry in entries):
        raise TransferlineError(
            f"select.metric: no candidate has the validation metric {metric}, because validation has no image of some "
            "class; choose another metric, or add images"
        )

    heads = {entry.candidate: entry for entry in entries if entry.phase == "head"}

    def place(entry: EvaluatedModel) -> tuple[float, float, int, str]:
        same = heads.get(entry.candidate, entry) if entry.is_its_head else entry
        value, loss = same.compared(metric), same.compared("log_loss")
        penalty = math.inf if value is None else value if is_loss else -value
        return penalty, math.inf if loss is None else loss, PHASES.index(entry.phase), entry.candidate

    return sorted(entries, key=place)
