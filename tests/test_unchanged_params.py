"""A stage fails if the params that DVC would record with its result change while it runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import edit_yaml
from transferline.cli.main import main
from transferline.code_versions import write_code_versions
from transferline.errors import TransferlineError
from transferline.stages import augment
from transferline.unchanged_params import params_of_stage, unchanged_params


def test_the_params_of_a_stage_are_those_that_dvc_lists(project: Path) -> None:
    found = params_of_stage(project, "fine_tune@small")
    assert {("params.yaml", "candidates.small.fine_tune"), ("code.json", "fine_tune")} <= set(found)
    assert params_of_stage(project, "../dvc.yaml:fine_tune@small") == found, "as from a subfolder"
    assert params_of_stage(project, "code") == params_of_stage(project, "data/dvc.yaml:fetch@digits") == []


def augment_and(change: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> str | int | None:
    """Calls the stage `augment` as DVC does; instead of its work, it edits params.yaml."""

    def edit_meanwhile(params: Any, *, raw: Path, manifest: Path, views: Path, preview: Path) -> None:
        edit_yaml(project / "params.yaml", change)

    monkeypatch.setattr(augment, "run", edit_meanwhile)
    monkeypatch.setenv("DVC_STAGE", "augment")
    paths = ["--raw", "r", "--manifest", "m", "--views", "v", "--preview", "p"]
    monkeypatch.setattr("sys.argv", ["transferline", "stage", "augment", *paths])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def test_a_stage_whose_params_are_edited_meanwhile_fails(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert augment_and(lambda tree: tree["evaluate"].update(confidence=0.9), project, monkeypatch) == 0
    found = augment_and(lambda tree: tree["augment"].update(rotation=[-3, 3]), project, monkeypatch)
    assert "augment: params.yaml: augment changed while the stage ran. DVC does not record its result" in str(found)


def test_a_stage_whose_code_is_not_the_recorded_one_fails(project: Path) -> None:
    write_code_versions(project)
    with unchanged_params(project, "train@small"):
        pass
    (project / "networks/late.py").write_text("LATE = 1\n")
    faulty = r"train@small: its code has changed since code\.json was written"
    with pytest.raises(TransferlineError, match=faulty), unchanged_params(project, "train@small"):
        pass
    write_code_versions(project)
    recorded = json.loads((project / "code.json").read_text())
    faulty = r"code\.json: train changed while the stage ran"
    with pytest.raises(TransferlineError, match=faulty), unchanged_params(project, "train@small"):
        (project / "code.json").write_text(json.dumps({**recorded, "train": {"source": "other"}}))
