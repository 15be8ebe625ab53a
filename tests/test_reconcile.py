"""After SIGKILL, the next training repairs the state and works. With a real worker, server, DVC and MLflow."""

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import mlflow
import psutil
import pytest
from prefect import Flow, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.deployments import run_deployment
from prefect.states import Cancelling, Pending, Running, State

from tests.small_line import command, make_line, prefect_server, receiver, runs_of, started, wait_for
from transferline.flows import reconcile
from transferline.flows.reconcile import close_flow_runs
from transferline.flows.retrain import retrain
from transferline.flows.watch import watch
from transferline.params import load_params
from transferline.processes import own_identity
from transferline.registry.killed_runs import close_dead_runs
from transferline.training_lock import FILE

PREFECT = (sys.executable, "-m", "prefect", "--no-prompt")
TRANSFERLINE = str(Path(sys.executable).parent / "transferline")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, str]]:
    with prefect_server(tmp_path) as env:
        yield env


def holder(root: Path) -> int | None:
    file = root / FILE
    return json.loads(file.read_text())["pid"] if file.exists() and file.read_text() else None


def tasks_of(run_id: object) -> dict[str, str]:
    with get_client(sync_client=True) as client:
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])))
    return {task.name: str(task.state_name) for task in tasks}


@pytest.mark.thorough
def test_a_killed_worker_and_run(server: dict[str, str], tmp_path: Path) -> None:
    root = make_line(tmp_path / "line")
    command(*PREFECT, "work-pool", "create", "transferline", "--type", "process", cwd=root, env=server)
    command(*PREFECT, "deploy", "--all", cwd=root, env=server)
    words, log = [*PREFECT, "worker", "start", "--pool", "transferline"], tmp_path / "worker.txt"
    with started(words, log, cwd=tmp_path, env=server | {"STEP_SECONDS": "600"}) as worker:
        run = run_deployment("retrain/transferline", parameters={"promote": False}, timeout=0)
        wait_for("stage", 90, [log], lambda: "validate is at work" in log.read_text())
        flow = psutil.Process(holder(root))
        stages = [child for child in flow.children(recursive=True) if "step.py" in child.cmdline()]
        for process in (worker, flow):
            process.kill()
    assert [found.state_name for found in runs_of("retrain")] == ["Running"]
    assert stages and not psutil.wait_procs(stages, 20)[1]

    with receiver() as (url, bodies):
        said = command(TRANSFERLINE, "reconcile", cwd=root, env=server | {"TRANSFERLINE_WEBHOOK": url})
    assert (
        "the flow run weekly: first training on images was still Running: set to crashed" in said
        and "freed the lock of the flow retrain" in said
    )
    assert [found.state_name for found in runs_of("retrain")] == ["Crashed"]
    assert tasks_of(run.id) == {"validate": "Crashed"}
    assert [(body["flow"], body["stages"]) for body in bodies] == [("retrain", ["validate"])]
    assert not any(stage.is_running() for stage in stages) and holder(root) is None
    assert command(TRANSFERLINE, "reconcile", cwd=root, env=server).strip().endswith("there was nothing to clean up")

    with started(words, log, cwd=tmp_path, env=server):
        run_deployment("retrain/transferline", parameters={"promote": False}, timeout=0)
        names = lambda: sorted(str(found.state_name) for found in runs_of("retrain"))  # noqa: E731
        wait_for("next run", 90, [log], lambda: names() == ["Completed", "Crashed"])


def open_run(flow: Flow[..., Any], deployment: tuple[str, str] | None, state: State[Any]) -> str:
    """The name of an open run of a flow without a process. Its deployment has a name and an entrypoint."""
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(flow)
        if deployment:
            name, entrypoint = deployment
            run = client.create_flow_run_from_deployment(
                client.create_deployment(run.flow_id, name, entrypoint=entrypoint)
            )
        for each in (Running(), state):  # Prefect cancels a run at once if it has never run
            client.set_flow_run_state(run.id, each, force=True)
    return run.name


def test_only_runs_that_are_surely_of_this_project_are_closed_without_a_process(
    recorded: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prefect.yaml"
    deployments = "name: project\ndeployments: [{name: waste}, {name: nightly}, null]\n"
    file.write_text(deployments)
    ours = "transferline.flows.retrain.retrain"
    running = open_run(retrain, ("waste", ours), Running())
    cancelling = open_run(retrain, ("nightly", ours), Cancelling())
    others = [
        open_run(watch, ("waste", "monitoring/flows.py:watch"), Running()),  # other code
        open_run(retrain, ("birds", ours), Pending()),  # another project
        open_run(retrain, None, Running()),
    ]
    assert close_flow_runs(tmp_path) == []  # they may still be starting
    monkeypatch.setattr(reconcile, "TIME_TO_SIGN", timedelta())
    for faulty in ("name: waste\ndeployments: 3\n", "deployments:"):
        file.write_text(faulty)
        assert close_flow_runs(tmp_path) == []
    file.write_text(deployments)
    assert set(close_flow_runs(tmp_path)) == {
        f"the flow run {running} was still Running: set to crashed",
        f"the flow run {cancelling} was still Cancelling: set to cancelled",
    }
    states = {run.name: str(run.state_name) for run in [*runs_of("retrain"), *runs_of("watch")]}
    assert (states[running], states[cancelling]) == ("Crashed", "Cancelled")
    assert [states[name] for name in others] == ["Running", "Pending", "Running"]


def test_open_runs_of_dead_processes_in_mlflow(tmp_path: Path) -> None:
    params = load_params(Path(__file__).parents[1] / "recipes/digits.yaml")
    assert close_dead_runs(params, tmp_path) == []
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    experiment = client.create_experiment("digits")
    own = own_identity().tags()
    tags = {
        "dead": own | {"process_started": "1.0"},
        "live": own,
        "elsewhere": own | {"process_host": "other"},
        "?": {},
    }
    runs = {name: client.create_run(experiment, tags=tag, run_name=name).info.run_id for name, tag in tags.items()}
    assert close_dead_runs(params, tmp_path) == [f"MLflow run dead ({runs['dead']}) was still open: set to failed"]
    states = {name: client.get_run(run).info.status for name, run in runs.items()}
    assert states == {"dead": "FAILED", "live": "RUNNING", "elsewhere": "RUNNING", "?": "RUNNING"}
