"""Prefect's page of a task shows findings, epochs, the decision and MLflow's address. All links work."""

import json
from pathlib import Path

import pytest
from prefect import flow, get_client

from transferline.paths import DATA_DOCS, PAGE, VALIDATION_REPORT
from transferline.tasks.pages import ROWS, EpochProgress, show_decision, show_stage

FINDING = {"severity": "warn", "rule": "blank", "path": "a.png", "detail": "nothing in it", "value": 3}


@pytest.mark.slow
def test_the_artifacts_of_a_run(tmp_path: Path, recorded: None) -> None:
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
        decision = {"promoted": True, "reason": "it is better", "version": "3", "gates": gates}
        show_decision(decision, tmp_path, "sqlite:///x")

    @flow
    def shows_with_a_server_for_mlflow() -> None:
        decision = {"promoted": False, "reason": "worse", "version": "4", "gates": []}
        show_decision(decision, tmp_path, "https://mlflow.example")

    with get_client(sync_client=True) as client:
        before = {artifact.id for artifact in client.read_artifacts()}
        shows()
        found = {artifact.key: artifact for artifact in client.read_artifacts() if artifact.id not in before}
        shows_with_a_server_for_mlflow()
        links = [artifact for artifact in client.read_artifacts() if artifact.key == "mlflow"]
    assert set(found) == {"findings", None, "decision"}
    rows = json.loads(found["findings"].data)
    assert len(rows) == ROWS and rows[0] == {key: FINDING[key] for key in ("severity", "rule", "path", "detail")}
    assert "not fit for training: too few images; the first 200 of 201 findings" in found["findings"].description
    assert str(tmp_path / DATA_DOCS) in found["findings"].description
    assert (found[None].data, found[None].description) == (75.0, "epoch 3 of 4  loss 0.2")
    assert found["decision"].data.splitlines()[:3:2] == [
        "# Version 3: promoted",
        f"The page of this retraining: `{tmp_path / PAGE}`",
    ]
    assert "| accuracy | passed | 0.9 against 0.8 |" in found["decision"].data
    assert "`transferline ui` serves MLflow's page" in found["decision"].description
    assert not [artifact for artifact in found.values() if "://" in f"{artifact.data}{artifact.description}"]
    assert ["https://mlflow.example/#/experiments" in str(link.data) for link in links] == [True]
