"""Promotion: the selected model becomes the champion if it beats the present one on today's test set."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from transferline.data.tables import read_table
from transferline.errors import TransferlineError
from transferline.evaluation.score import metrics_of, score
from transferline.params import Params
from transferline.paths import EVALUATIONS, MANIFEST, METRICS, MODELS, RAW
from transferline.progress import say
from transferline.registry.models import CHALLENGER, CHAMPION, fetch, find_version, register, version_by_alias
from transferline.registry.tracking import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class Decision:
    """What promotion decided.

    Attributes:
        promoted: whether the alias champion moved.
        reason: why, in a sentence.
        version: the selected model's version in the registry.
    """

    promoted: bool
    reason: str
    version: str


def promote(params: Params, root: Path) -> Decision:
    """Registers the selected model as challenger and makes it the champion if it is better.

    Better means: on today's test set the metric of `select` improves, and by at least `promote.min_improvement`. Run
    again, it changes nothing.

    Raises:
        TransferlineError: nothing is selected yet, or MLflow does not answer.
    """
    folder, evaluation = selected_model(root)
    client = connect(params.record, root)
    name = params.promote.model_name
    known, champion = find_version(client, name, folder), version_by_alias(client, name, CHAMPION)
    if known and champion and known.version == champion.version:
        return Decision(False, f"version {known.version} is the champion already", str(known.version))
    version = register(client, params, root, folder)
    client.set_registered_model_alias(name, CHALLENGER, version.version)
    better, reason = True, "the first champion"
    if champion is not None:
        better, reason = _compare(client, champion, params, root, evaluation)
    if better:
        client.set_registered_model_alias(name, CHAMPION, version.version)
    say(f"promote: version {version.version} of {name} {'promoted' if better else 'not promoted'}: {reason}")
    return Decision(better, reason, str(version.version))


def selected_model(root: Path) -> tuple[Path, Path]:
    """The model folder and the evaluation folder of the model that `select` chose."""
    metrics = root / METRICS
    if not metrics.exists():
        raise TransferlineError(f"nothing is selected yet, {METRICS} is missing: run `transferline run` or `dvc repro`")
    chosen = json.loads(metrics.read_text(encoding="utf-8"))["selected"]
    place = Path(chosen["candidate"]) / chosen["phase"]
    return root / MODELS / place, root / EVALUATIONS / place


def _compare(
    client: "MlflowClient", champion: "ModelVersion", params: Params, root: Path, evaluation: Path
) -> tuple[bool, str]:
    """Whether the challenger beats the champion on today's test set, and the figures in words."""
    metric, least = params.select.metric, params.promote.min_improvement
    challenger = pd.read_parquet(evaluation / "predictions.parquet").query("split == 'test'")
    if challenger.empty:
        return False, "there is no test set to compare on; set data.split.test"
    table = read_table(root / MANIFEST)
    folder = fetch(client, champion, root)
    answers = score(folder, root / RAW / params.data.dataset, table.of_split("test"))
    old = metrics_of(answers, table.classes, params.evaluate)[metric]
    new = metrics_of(challenger, table.classes, params.evaluate)[metric]
    gain = (old - new) if metric == "log_loss" else (new - old)
    figures = f"test {metric} {new:.4f}, champion (version {champion.version}) {old:.4f} on the same images"
    if gain <= 0:
        return False, f"no improvement: {figures}"
    if gain < least:
        return False, f"improvement {gain:.4f} is below promote.min_improvement = {least:g}: {figures}"
    return True, f"better by {gain:.4f}: {figures}"
