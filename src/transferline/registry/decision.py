"""Decides whether the selected model may become the champion."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from transferline.datasets.tables import ImageTable
from transferline.datasets.tested_images import hash_of_test_set
from transferline.errors import TransferlineError
from transferline.evaluation.changed_images import Subject
from transferline.params import Params
from transferline.paths import RAW, VALIDATION_REPORT
from transferline.problems.metric_choice import metric_table
from transferline.registry.compared_images import ComparedImages, compared_images
from transferline.registry.decision_files import Case
from transferline.registry.gates import GateInputs, judge
from transferline.registry.model_comparison import (
    Comparison,
    LoadedModel,
    Scored,
    compare_models,
    floor_of,
    latencies,
    load_with_card,
    score_model,
)
from transferline.registry.recording import METRICS_FILE
from transferline.registry.registered_models import download_version, fetch_version
from transferline.registry.rollback import rolled_back
from transferline.registry.same_run_robustness import measure_robustness, relative_robustness
from transferline.registry.trained_data import read_trained_data, trained_data
from transferline.registry.version_files import ORIGIN

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

Contender = tuple[Path, LoadedModel]  # a model's folder, and the model loaded from it


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
    """Evaluates champion and challenger on `compared_images`, and checks the challenger with every gate.

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
        TransferlineError: `select.metric`, or a metric with a limit, has no value, or the champion was trained on
            all test images.
    """
    stored = download_version(version) / ORIGIN if version else None
    inputs = _inputs(params, root, table, (folder, loaded), evaluation, version, stored)
    judged = judge(inputs)
    failed = "; ".join(gate.sentence for gate in judged if gate.state == "failed")
    forced = bool(failed) and force is not None
    reason = f"forced ({force}) although {failed}" if forced else failed or judged[0].sentence
    if force is not None and not failed:
        reason = f"{force}; {reason}"
    return Case(
        accepted=forced or not failed,
        forced=forced,
        reason=reason,
        gates=judged,
        challenger=inputs.challenger,
        champion=inputs.champion,
        change=inputs.change,
        version=str(version.version) if version else None,
        test_set=hash_of_test_set(table.of_split("test")["sha256"]),
        data=trained_data(root, params.data.dataset),
        champion_data=read_trained_data(stored) if stored else None,
        left_out=inputs.compared.left_out,
    )


def _inputs(
    params: Params,
    root: Path,
    table: ImageTable,
    contender: Contender,
    evaluation: Path,
    version: "ModelVersion | None",
    stored: Path | None,
) -> GateInputs:
    """Evaluates the models; `stored` is the folder `origin` of the champion's version."""
    contenders, classes, metric = [contender], table.classes, params.select.metric
    if version:
        fetched = fetch_version(version, root)
        contenders.append((fetched, load_with_card(fetched)))
    trained_on = [card.trained_on for _, (_, card) in contenders]
    compared = compared_images(table, stored, trained_on, params)
    if compared.rows.empty:
        raise TransferlineError(_all_used(params, compared))
    challenger, *others = _score(params, root, classes, compared.rows, contenders, evaluation)
    champion = others[0] if others else None
    return GateInputs(
        promote=params.promote,
        metric=metric,
        is_loss=metric_table(challenger.card.problem, params.evaluate)[metric].is_loss,
        challenger=challenger,
        champion=champion,
        change=_compare(params, champion, challenger, classes) if champion else None,
        folder=contender[0],
        model=contender[1][0],
        data_passed=_is_accepted(root),
        compared=compared,
        least_images=params.validate_.min_images,
        floor=floor_of(challenger, classes, metric, params.evaluate),
        rolled_back=rolled_back(params, root, contender[0]),
    )


def _is_accepted(root: Path) -> bool:
    """Whether `validate` accepted the data."""
    return bool(json.loads((root / VALIDATION_REPORT).read_text(encoding="utf-8"))["success"])


def _all_used(params: Params, compared: ComparedImages) -> str:
    return (
        f"the champion was trained on all {compared.left_out} test images, so promotion cannot compare "
        "it with another model; restore its data.split, add photographs, or begin a new model with another "
        f"promote.model_name than {params.promote.model_name}"
    )


def _score(
    params: Params,
    root: Path,
    classes: tuple[str, ...],
    rows: pd.DataFrame,
    contenders: list[Contender],
    evaluation: Path,
) -> list[Scored]:
    """Evaluates the challenger, and the champion if there is one, on the compared images."""
    raw, scored = root / RAW / params.data.dataset, []
    speeds = latencies([loaded for _, loaded in contenders])
    robust = _robustness(params, raw, rows, contenders, evaluation)
    for (folder, loaded), latency, known in zip(contenders, speeds, robust, strict=True):
        one = score_model(folder, loaded, raw, rows, classes, params.evaluate, known, latency)
        _require(one, params.select.metric)
        scored.append(one)
    return scored


def _robustness(
    params: Params, raw: Path, rows: pd.DataFrame, contenders: list[Contender], evaluation: Path
) -> list[dict[str, Any]]:
    """Returns the robustness of each model: measured now for a relative limit, else the challenger's evaluation."""
    wanted, own = relative_robustness(params), json.loads((evaluation / METRICS_FILE).read_text(encoding="utf-8"))
    known: list[dict[str, Any]] = [own.get("test", {}), *({} for _ in contenders[1:])]
    if wanted is None or len(contenders) == 1:
        return known
    found = measure_robustness([Subject(folder, *loaded, raw, rows) for folder, loaded in contenders], wanted, params)
    return [before | now for before, now in zip(known, found, strict=True)]


def _compare(params: Params, champion: Scored, challenger: Scored, classes: tuple[str, ...]) -> Comparison:
    return compare_models(champion, challenger, classes, params.select.metric, params.promote.test, params.evaluate)


def _require(found: Scored, metric: str) -> None:
    if found.metrics.get(metric) is None:
        raise TransferlineError(
            f"select.metric: {metric} has no value for {found.card.candidate}, a {found.card.problem} model, on the "
            f"test set of {len(found.predictions)} images, so promotion cannot decide; choose another metric"
        )
