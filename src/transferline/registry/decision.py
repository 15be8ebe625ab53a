"""Decides whether the selected model may become the champion."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from transferline.datasets.tables import ImageTable
from transferline.datasets.tested_images import hash_of_test_set
from transferline.errors import TransferlineError
from transferline.params import Params
from transferline.paths import RAW, VALIDATION_REPORT
from transferline.problems.metric_choice import metric_table
from transferline.registry.decision_report import Case
from transferline.registry.gates import GateInputs, judge
from transferline.registry.model_comparison import (
    Comparison,
    LoadedModel,
    Scored,
    compare_models,
    latencies,
    load_with_card,
    score_model,
)
from transferline.registry.registered_models import download_version, fetch_version
from transferline.registry.trained_data import read_trained_data, trained_data
from transferline.registry.version_files import EVALUATION, ORIGIN

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

Contender = tuple[Path, LoadedModel, Path]  # a model's folder, the model loaded from it, its `metrics.json`


def decide_promotion(
    params: Params,
    root: Path,
    table: ImageTable,
    folder: Path,
    loaded: LoadedModel,
    evaluation: Path,
    version: "ModelVersion | None",
    force: str | None,
) -> Case:
    """Evaluates champion and challenger on the same images, and checks the challenger with every gate.

    Args:
        params: the gates.
        root: the project's folder.
        table: the manifest.
        folder: the challenger's model folder.
        loaded: the model, loaded from that folder.
        evaluation: the folder of the challenger's evaluation.
        version: the champion's version, if there is one.
        force: see `promote`.

    Raises:
        TransferlineError: `select.metric`, or a metric with a limit, has no value.
    """
    contenders: list[Contender] = [(folder, loaded, evaluation / "metrics.json")]
    if version:
        fetched, origin = fetch_version(version, root), download_version(version) / ORIGIN
        contenders.append((fetched, load_with_card(fetched), origin / EVALUATION))
    challenger, *others = _score(params, root, table, contenders)
    champion = others[0] if others else None
    change = _compare(params, table, champion, challenger) if champion else None
    is_loss = metric_table(challenger.card.problem, params.evaluate)[params.select.metric].is_loss
    limits, metric, passed = params.promote, params.select.metric, _is_accepted(root)
    inputs = GateInputs(limits, metric, is_loss, challenger, champion, change, folder, loaded[0], passed)
    judged = judge(inputs)
    failed = "; ".join(gate.sentence for gate in judged if gate.state == "failed")
    forced = bool(failed) and force is not None
    reason = f"forced ({force}) although {failed}" if forced else failed or judged[0].sentence
    return Case(
        accepted=forced or not failed,
        forced=forced,
        reason=reason,
        gates=judged,
        challenger=challenger,
        champion=champion,
        change=change,
        version=str(version.version) if version else None,
        test_set=hash_of_test_set(table.of_split("test")["sha256"]),
        data=trained_data(root, params.data.dataset),
        champion_data=read_trained_data(download_version(version) / ORIGIN) if version else None,
    )


def _is_accepted(root: Path) -> bool:
    """Whether `validate` accepted the data."""
    return bool(json.loads((root / VALIDATION_REPORT).read_text(encoding="utf-8"))["success"])


def _score(params: Params, root: Path, table: ImageTable, contenders: list[Contender]) -> list[Scored]:
    """Evaluates champion and challenger on the test set."""
    rows, raw, scored = table.of_split("test"), root / RAW / params.data.dataset, []
    speeds = latencies([loaded for _, loaded, _ in contenders])
    for (folder, loaded, evaluation), latency in zip(contenders, speeds, strict=True):
        one = score_model(folder, loaded, raw, rows, table.classes, params.evaluate, evaluation, latency)
        _require(one, params.select.metric)
        scored.append(one)
    return scored


def _compare(params: Params, table: ImageTable, champion: Scored, challenger: Scored) -> Comparison:
    metric, test = params.select.metric, params.promote.test
    return compare_models(champion, challenger, table.classes, metric, test, params.evaluate)


def _require(found: Scored, metric: str) -> None:
    if found.metrics.get(metric) is None:
        raise TransferlineError(
            f"select.metric: {metric} has no value for {found.card.candidate}, a {found.card.problem} model, on the "
            f"test set of {len(found.predictions)} images, so promotion cannot decide; choose another metric"
        )
