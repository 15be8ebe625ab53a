"""What `record` logs again after a change of the evaluation or of `select.metric`."""

import json
from pathlib import Path

import pytest

from tests.registry_project import registry_project, select, train
from transferline.atomic_files import write_json
from transferline.registry.recording import record_candidate
from transferline.registry.tracking import connect

FOLDERS = (Path("models/small"), Path("evaluations/small"))


def test_a_change_of_metric_or_evaluation_replaces_what_was_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = registry_project(tmp_path, monkeypatch)
    select(params, train(params, "head", "fair"))
    client = connect(params.record, tmp_path)

    def logged() -> tuple[str, dict[str, float], list[list[object]]]:
        (run,) = client.search_runs([client.get_experiment_by_name("colors").experiment_id])
        table = json.loads(Path(client.download_artifacts(run.info.run_id, "per_class.json")).read_text())
        return run.data.tags["mlflow.note.content"], run.data.metrics, table["data"]

    record_candidate(params, *FOLDERS)
    assert "test: accuracy 0.6667" in logged()[0] and "test/balanced_accuracy_low" not in logged()[1]
    rows = len(logged()[2])
    other = params.model_copy(update={"select": params.select.model_copy(update={"metric": "balanced_accuracy"})})
    record_candidate(other, *FOLDERS)
    assert "test: balanced_accuracy 0.6667" in logged()[0] and "test/balanced_accuracy_low" in logged()[1]

    file = Path("evaluations/small/head/metrics.json")
    changed = json.loads(file.read_text())
    changed["test"]["per_class"]["blue"]["recall"] = 0.125
    write_json(file, changed)
    record_candidate(other, *FOLDERS)
    assert len(logged()[2]) == rows and any(0.125 in row for row in logged()[2])
