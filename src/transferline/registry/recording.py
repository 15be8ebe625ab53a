"""Records a candidate's files in MLflow: a run for each training, with its evaluation."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferline.hashes import file_sha256
from transferline.models.exported import MODEL_FILE, trained
from transferline.params import Params
from transferline.registry.runs import find_or_replay
from transferline.registry.tracking import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient

METRICS_FILE = "metrics.json"
LATENCY_FILE = "latency.json"


def record_candidate(params: Params, models: Path, evaluation: Path) -> dict[str, str]:
    """Records the trainings of a candidate that MLflow does not have yet, and logs its evaluation to their runs.

    Args:
        params: recorded with a run that must be created again.
        models: the folder with the candidate's model folders, one for each phase of its training.
        evaluation: the folder that `evaluate` wrote.

    Returns:
        For each phase the sha256 of the model and of its metrics; they are the same on every machine.
    """
    client = connect(params.record, Path.cwd())
    recorded = {}
    for folder in trained(models):
        phase = folder.name
        run = find_or_replay(client, params, folder)
        recorded[f"{phase} model"] = file_sha256(folder / MODEL_FILE)
        recorded[f"{phase} metrics"] = _log_evaluation(client, run, evaluation / phase)
    return recorded


def _log_evaluation(client: "MlflowClient", run: str, evaluation: Path) -> str:
    from mlflow.entities import Metric

    key = file_sha256(evaluation / METRICS_FILE)
    if client.get_run(run).data.tags.get("evaluation_sha256") == key:
        return key
    metrics = json.loads((evaluation / METRICS_FILE).read_text(encoding="utf-8"))
    latency = json.loads((evaluation / LATENCY_FILE).read_text(encoding="utf-8"))
    values = {**_numbers(latency, "latency_")}
    for split in ("validation", "test"):
        values |= _numbers(metrics.get(split, {}), f"{split}_")
    client.log_batch(run, [Metric(name, value, 0, 0) for name, value in values.items()])
    client.log_artifacts(run, str(evaluation), "evaluation")
    client.set_tag(run, "evaluation_sha256", key)
    return key


def _numbers(tree: dict[str, Any], prefix: str) -> dict[str, float]:
    """Returns the numbers of a tree by their path, without the signs that MLflow does not allow in names of metrics."""
    flat: dict[str, float] = {}
    for key, value in tree.items():
        name = "".join(sign if sign.isalnum() or sign in "_-. /" else "_" for sign in f"{prefix}{key}")
        if isinstance(value, dict):
            flat |= _numbers(value, f"{name}.")
        elif isinstance(value, int | float):
            flat[name] = float(value)
    return flat
