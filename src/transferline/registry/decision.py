"""Decides whether the selected model may become the champion."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from transferline.datasets.tables import ImageTable
from transferline.datasets.tested_images import hash_of_test_set
from transferline.errors import TransferlineError
from transferline.params import Params
from transferline.paths import RAW, VALIDATION_REPORT
from transferline.registry import gates
from transferline.registry.decision_report import Case
from transferline.registry.model_comparison import (
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
    """Scores champion and challenger on the same images, and judges the challenger by every gate.

    Args:
        params: the gates.
        root: the project's folder.
        table: the manifest.
        folder: the challenger's model folder.
        loaded: what is in it.
        evaluation: the challenger's evaluation.
        version: the champion's, if there is one.
        force: see `promote`.

    Raises:
        TransferlineError: `select.metric` or a limit has no figure.
    """
    rows, metric, limits = table.of_split("test"), params.select.metric, params.promote

    folders, models, scored = {folder: evaluation / "metrics.json"}, [loaded], []
    if version:
        fetched = fetch_version(version, root)
        folders[fetched] = download_version(version) / ORIGIN / EVALUATION
        models.append(load_with_card(fetched))
    for (place, own), loaded, latency in zip(folders.items(), models, latencies(models), strict=True):
        raw = root / RAW / params.data.dataset
        scored.append(score_model(place, loaded, raw, rows, table.classes, params.evaluate, own, latency))
        _require(scored[-1], metric)
    challenger, champion = scored[0], scored[1] if version else None
    if champion:
        change = compare_models(champion, challenger, table.classes, metric, limits.test, params.evaluate)
        first = [
            gates.improvement(change, champion, challenger, metric, limits),
            gates.class_recall(change.classes, limits.max_class_drop, change.measure),
        ]
    else:
        change, measure = None, "IoU" if params.data.problem == "segmentation" else "recall"
        first = [
            gates.first_value(challenger, metric, limits.min_value),
            gates.Gate(gates.RECALL.format(measure), "not applicable", gates.NO_CHAMPION),
        ]
    clean = json.loads((root / VALIDATION_REPORT).read_text(encoding="utf-8"))["success"]
    judged = [
        *first,
        *gates.limits(limits, challenger, champion),
        *gates.soundness(folder, *models[0]),
        gates.clean_data(clean),
        gates.all_classes(challenger, champion),
    ]
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
        test_set=hash_of_test_set(rows["sha256"]),
        data=trained_data(root, params.data.dataset),
        champion_data=read_trained_data(download_version(version) / ORIGIN) if version else None,
    )


def _require(found: Scored, metric: str) -> None:
    if found.metrics.get(metric) is None:
        raise TransferlineError(
            f"the test set of {len(found.predictions)} images gives {found.card.candidate}, a {found.card.problem} "
            f"model, no {metric}, on which select.metric has promotion decide; choose another one"
        )
