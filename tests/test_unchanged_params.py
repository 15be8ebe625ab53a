"""A stage fails if the params that DVC would record with its result change while it runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import edit_yaml
from transferline.cli.main import main
from transferline.stages import augment
from transferline.unchanged_params import params_of_stage


def test_the_params_of_a_stage_are_those_that_dvc_lists(project: Path) -> None:
    found = params_of_stage(project, "fine_tune@small")
    assert found["params.yaml: data.problem"] == "multiclass" and "params.yaml: candidates.small.fine_tune" in found
    (project / "code.json").write_text(json.dumps({"fine_tune": {"source": "abc"}}))
    assert params_of_stage(project, "fine_tune@small") == {**found, "code.json: fine_tune": {"source": "abc"}}
    assert params_of_stage(project, "code") == params_of_stage(project, "data/dvc.yaml:fetch@digits") == {}


@pytest.mark.parametrize(
    ("section", "key", "is_refused"), [("augment", "rotation", True), ("evaluate", "confidence", False)]
)
def test_a_stage_whose_params_are_edited_meanwhile_fails(
    section: str, key: str, is_refused: bool, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    value = [-3, 3] if key == "rotation" else 0.9

    def edit_meanwhile(params: Any, *, raw: Path, manifest: Path, views: Path, preview: Path) -> None:
        edit_yaml(project / "params.yaml", lambda tree: tree[section].update({key: value}))

    monkeypatch.setattr(augment, "run", edit_meanwhile)
    monkeypatch.setenv("DVC_STAGE", "augment")
    paths = ["--raw", "r", "--manifest", "m", "--views", "v", "--preview", "p"]
    monkeypatch.setattr("sys.argv", ["transferline", "stage", "augment", *paths])
    with pytest.raises(SystemExit) as end:
        main()
    message = "augment: params.yaml: augment changed while the stage ran. Its result is that of the former values"
    assert message in str(end.value) if is_refused else end.value.code == 0
