"""The retrain flow with the real Prefect and the real DVC, on a pipeline of three small steps instead of training."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness

from flows.retrain import main, retrain
from tasks.stage import failure_message
from transferline import environment, pipeline

PROJECT = Path(__file__).parents[1]

STEP = """
import sys
from pathlib import Path

step, source, target = sys.argv[1:]
text = Path(source).read_text()
if step in text:
    sys.exit(f"error: {source}: 1 broken image\\n  a.png: truncated; mend or remove it")
print(step, "is at work")
Path(target).parent.mkdir(exist_ok=True)
Path(target).write_text(text)
"""

PIPELINE = """
stages:
  validate:
    cmd: python step.py validate data/${data.dataset} manifest
    params: [validate]
    deps: ["data/${data.dataset}"]
    outs: [manifest]
  train_head:
    foreach: ${candidates}
    do:
      cmd: python step.py train_head manifest models/${key}
      params: ["candidates.${key}.head"]
      deps: [manifest]
      outs: ["models/${key}"]
  select:
    cmd: python step.py select models/lite0_plain reports/leaderboard.md
    deps: [models]
    outs: [reports/leaderboard.md]
"""

FETCH = """
stages:
  fetch:
    foreach: [digits, other]
    do:
      cmd: python -c "open('${item}', 'w').write('some digits')"
      outs: ["${item}"]
"""

ORDER = [
    "data/dvc.yaml:fetch@digits",
    "validate",
    "train_head@lite0_plain",
    "train_head@lite0_hidden",
    "select",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
        with prefect_test_harness(server_startup_timeout=120):
            yield


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Git and DVC repository with the params of the default recipe, in which nothing has run; the current folder."""
    shutil.copy(PROJECT / "recipes/digits.yaml", tmp_path / "params.yaml")
    shutil.copytree(PROJECT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "*.local"))
    for name, text in {"step.py": STEP, "dvc.yaml": PIPELINE, "data/dvc.yaml": FETCH}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def reproduce(name: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "-q", "repro", name], check=True)


def test_stages_are_those_that_the_params_need_in_order(project: Path) -> None:
    assert pipeline.stages(project) == ORDER


def test_changed_says_why(project: Path) -> None:
    assert pipeline.changed(project)["validate"] == [
        "never run",
        "upstream changes: data/dvc.yaml:fetch@digits",
    ]
    reproduce("select")
    assert pipeline.changed(project) == {}
    edit(project / "params.yaml", "{pooling: avg, hidden: [128]", "{pooling: max, hidden: [64]")
    (project / "reports/leaderboard.md").unlink()
    assert pipeline.changed(project) == {
        "train_head@lite0_hidden": [
            "candidates.lite0_hidden.head.hidden: [128] -> [64]",
            "candidates.lite0_hidden.head.pooling: avg -> max",
        ],
        "select": ["reports/leaderboard.md is missing", "upstream changes: train_head@lite0_hidden"],
    }


def test_changed_sees_edited_data_and_commands(project: Path) -> None:
    reproduce("select")
    (project / "data/digits").unlink()
    (project / "data/digits").write_text("other digits")
    edit(project / "dvc.yaml", "step.py select", "-B step.py select")
    reasons = pipeline.changed(project)
    assert reasons["data/dvc.yaml:fetch@digits"] == ["data/digits is not as the stage wrote it"]
    assert reasons["validate"] == ["data/digits changed", "upstream changes: data/dvc.yaml:fetch@digits"]
    assert "its command changed" in reasons["select"]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("dvc.yaml", "outs: [manifest]", "outs: [manifest", "dvc.yaml"),
        ("dvc.yaml", "${data.dataset}", "${data.datasets}", "data.datasets"),
        (".dvc/config", "[core]", "[core", "config"),
    ],
)
def test_a_pipeline_that_dvc_cannot_read(project: Path, file: str, old: str, new: str, message: str) -> None:
    edit(project / file, old, new)
    with pytest.raises(environment.TransferlineError, match=message):
        pipeline.changed(project)
