"""A real project whose stages are as small as possible, and its results, for tests that kill runs of it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import edit_yaml, make_project
from tests.empty_databases import give_database
from tests.made_once import made_once
from tests.small_line import environment_without_prefect
from transferline.hashes import file_sha256
from transferline.params import load_params
from transferline.registry import ledger
from transferline.registry.tracking import connect

TRANSFERLINE = str(Path(sys.executable).parent / "transferline")
# in the order in which they run; promotion is no stage of DVC
STAGES = (
    "validate",
    "augment",
    "extract",
    "train_head",
    "fine_tune",
    "evaluate",
    "insight",
    "record",
    "select",
    "promote",
)


def _keep_one_candidate(params: Any) -> None:
    del params["candidates"]["smaller"]
    params["promote"]["model_name"] = params["record"]["experiment"] = "colors"


def _make(root: Path) -> None:
    shutil.copytree(made_once("committed", make_project), root)
    edit_yaml(root / "params.yaml", _keep_one_candidate)
    shutil.rmtree(root / "mlruns")
    give_database(root / ".prefect")


def crash_project(root: Path) -> Path:
    """Copies the project, in which nothing has run, to `root`. Prefect's database exists, MLflow's does not."""
    return shutil.copytree(made_once("crash", _make), root, symlinks=True)


def environ(**changes: str) -> dict[str, str]:
    """The variables of the commands: Prefect's database is in the project."""
    return environment_without_prefect() | changes


def transferline(root: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TRANSFERLINE, *words], cwd=root, env=env or environ(), capture_output=True, text=True)


def run_to_the_end(root: Path, env: dict[str, str] | None = None) -> str:
    """Runs the project, which must succeed; returns what was printed."""
    done = transferline(root, "run", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def undisturbed() -> Path:
    """The project after one run that nothing disturbed."""

    def make(root: Path) -> None:
        run_to_the_end(crash_project(root))

    return made_once("undisturbed", make)


def seconds_of(stage: str) -> float:
    """The seconds that a stage took in the undisturbed run."""
    kept = json.loads((undisturbed() / ".transferline/stage_seconds.json").read_text())
    return float(kept.get(stage, kept.get(f"{stage}@small")))


def results(root: Path) -> dict[str, Any]:
    """The results of a project that must not depend on kills: registry, ledger, metrics and weights.

    The weights are those of `model.tflite`; Keras writes the time into its files.
    """
    params = load_params(root / "params.yaml")
    client = connect(params.record, root)
    names = [found.version for found in client.search_model_versions("name = 'colors'")]
    versions = [client.get_model_version("colors", name) for name in names]  # a search returns no aliases
    runs = client.search_runs([client.get_experiment_by_name("colors").experiment_id], "attributes.status = 'FINISHED'")
    moves = ledger.read(root)
    return {
        "metrics": json.loads((root / "metrics.json").read_text()),
        "weights": {file.parent.name: file_sha256(file) for file in (root / "models").rglob("model.tflite")},
        "versions": sorted((each.version, sorted(each.aliases), each.tags["tflite_sha256"]) for each in versions),
        "ledger": [(each.kind, each.former, each.version, each.figure, each.tflite_sha256) for each in moves],
        "trainings": {run.data.tags["phase"] for run in runs},
    }
