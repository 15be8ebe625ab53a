"""DVC shows and compares the metrics and plots that `select` writes."""

import json
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT, edit_yaml
from tests.conftest import run as run_command
from tests.small_line import commit
from tests.test_select import run, write_all


@pytest.mark.slow
def test_dvc_shows_and_compares_metrics_and_plots(tmp_path: Path) -> None:
    """The `plots` of the project's own `dvc.yaml`, with its template, before and after a change."""
    plots = YAML(typ="safe").load(ROOT / "dvc.yaml")["plots"]
    (tmp_path / "dvc.yaml").write_text("metrics: [metrics.json]\n")
    edit_yaml(tmp_path / "dvc.yaml", lambda tree: tree.update(plots=plots))
    write_all(tmp_path / "evaluations")
    run(tmp_path)
    [run_command(tool, "init", "-q", cwd=tmp_path) for tool in ("git", "dvc")]
    shutil.copytree(ROOT / ".dvc" / "plots", tmp_path / ".dvc" / "plots")
    commit(tmp_path)
    shutil.rmtree(tmp_path / "evaluations" / "lite0_plain" / "fine_tune")
    run(tmp_path)

    shown = json.loads(run_command("dvc", "metrics", "show", "--json", cwd=tmp_path).stdout)
    assert shown[""]["data"]["metrics.json"]["data"]["selected"]["candidate"] == "lite0_hidden"
    changed = json.loads(run_command("dvc", "metrics", "diff", "--json", cwd=tmp_path).stdout)["metrics.json"]
    assert [changed["selected.validation.accuracy"][key] for key in ("old", "new")] == [0.94, 0.92]
    drawn = json.loads(run_command("dvc", "plots", "diff", "HEAD", "--json", cwd=tmp_path).stdout)
    assert not drawn.get("errors") and len(drawn["data"]) == len(plots)
    for name, parts in drawn["data"].items():
        assert {revision for part in parts for revision in part["revisions"]} == {"HEAD", "workspace"}, name
    loss = drawn["data"]["Validation loss"][0]["content"]
    assert {(point["candidate"], point["rev"]) for point in loss["data"]["values"]} == {
        (candidate, rev) for candidate in ("lite0_plain", "lite0_hidden") for rev in ("HEAD", "workspace")
    }
    assert "index.html" in run_command("dvc", "plots", "show", cwd=tmp_path).stdout
