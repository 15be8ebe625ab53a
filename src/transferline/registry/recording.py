"""Records a candidate's files in MLflow: a run for each training, with its evaluation."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferline.hashes import file_sha256
from transferline.models.exported import MODEL_FILE, trained
from transferline.params import Params
from transferline.progress import say
from transferline.registry.killed_runs import close_dead_runs
from transferline.registry.run_pages import DESCRIPTION, class_table, describe_run, log_evaluation_files, scalars
from transferline.registry.runs import find_or_replay
from transferline.registry.tracking import connect
from transferline.registry.trained_data import trained_data

if TYPE_CHECKING:
    from mlflow import MlflowClient

METRICS_FILE = "metrics.json"
LATENCY_FILE = "latency.json"
CLASS_TABLE = "per_class.json"


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
    for line in close_dead_runs(params, Path.cwd()):
        say(line)
    recorded = {}
    for folder in trained(models):
        phase = folder.name
        run = find_or_replay(client, params, folder)
        recorded[f"{phase} model"] = file_sha256(folder / MODEL_FILE)
        recorded[f"{phase} metrics"] = _log_evaluation(client, params, run, evaluation / phase)
    return recorded


def _log_evaluation(client: "MlflowClient", params: Params, run: str, evaluation: Path) -> str:
    """Logs the evaluation if it is new, and what `select.metric` decides if that key changed; returns its sha256."""
    from mlflow.entities import Metric

    key, chosen = file_sha256(evaluation / METRICS_FILE), params.select.metric
    tags = client.get_run(run).data.tags
    logged = tags.get("evaluation_sha256")
    if (logged, tags.get("select_metric")) == (key, chosen):
        return key
    metrics = json.loads((evaluation / METRICS_FILE).read_text(encoding="utf-8"))
    latency = json.loads((evaluation / LATENCY_FILE).read_text(encoding="utf-8"))
    now, values = int(time.time() * 1000), scalars(chosen, metrics, latency)
    client.log_batch(run, [Metric(name, value, now, 0) for name, value in values.items()])
    if logged != key:
        _log_files(client, run, evaluation, metrics, again=logged is not None)
    description = describe_run(chosen, metrics, latency, trained_data(Path.cwd(), params.data.dataset))
    client.set_tag(run, DESCRIPTION, description)
    client.set_tag(run, "select_metric", chosen)
    client.set_tag(run, "evaluation_sha256", key)
    return key


def _log_files(client: "MlflowClient", run: str, evaluation: Path, metrics: dict[str, Any], again: bool) -> None:
    table = class_table(metrics)
    if again:
        client.log_text(run, table.to_json(orient="split", index=False), CLASS_TABLE)  # `log_table` would append rows
    elif not table.empty:
        client.log_table(run, table, CLASS_TABLE)
    log_evaluation_files(client, run, evaluation)
