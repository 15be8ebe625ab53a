"""What Prefect's page shows of a task: findings, epochs, the decision and where MLflow is."""

import json
from pathlib import Path

import pytest
from prefect import flow, get_client

from tasks.pages import ROWS, EpochProgress, show_decision, show_stage
from tests.small_line import recorded
from transferline.paths import VALIDATION_REPORT

FINDING = {"severity": "warn", "rule": "blank", "path": "a.png", "detail": "nothing in it", "value": 3}


@pytest.mark.slow
def test_the_artifacts_of_a_run(tmp_path: Path) -> None:
    report = {"success": False, "reasons": ["too few images"], "findings": [FINDING] * (ROWS + 1)}
    (tmp_path / VALIDATION_REPORT).parent.mkdir()
    (tmp_path / VALIDATION_REPORT).write_text(json.dumps(report))

    @flow
    def shows() -> None:
        show_stage("validate", tmp_path)
        show_stage("select", tmp_path)  # has written nothing
        progress = EpochProgress()
        for line in ("2 of 9 images", "head: epoch 1 of 4  loss 0.5", "head: epoch 3 of 4  loss 0.2"):
            progress.hear(line)
        gates = [{"gate": "accuracy", "verdict": "passed", "why": "0.9 against 0.8"}]
        show_decision({"promoted": True, "reason": "it is better", "version": "3", "gates": gates}, "sqlite:///x")

    with recorded(tmp_path / "prefect"), get_client(sync_client=True) as client:
        shows()
        found = {artifact.key: artifact for artifact in client.read_artifacts()}
    assert set(found) == {"findings", "validation-report", None, "decision", "mlflow"}
    rows = json.loads(found["findings"].data)
    assert len(rows) == ROWS and rows[0] == {key: FINDING[key] for key in ("severity", "rule", "path", "detail")}
    assert "not fit for training: too few images; the first 200 of 201 findings" in found["findings"].description
    assert (found[None].data, found[None].description) == (75.0, "epoch 3 of 4  loss 0.2")
    assert found["decision"].data.splitlines()[0] == "# Version 3: promoted"
    assert "| accuracy | passed | 0.9 against 0.8 |" in found["decision"].data
    assert "http://127.0.0.1:5000" in found["mlflow"].data
