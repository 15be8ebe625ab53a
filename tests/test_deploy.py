"""`prefect deploy --all` with a worker, and `transferline schedule` without one, against a real Prefect server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prefect import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.empty_databases import give_database
from tests.small_line import (
    command,
    edit,
    environment_without_prefect,
    free_port,
    make_line,
    prefect_server,
    runs_of,
    started,
    wait_for,
)

TRANSFERLINE = str(Path(sys.executable).parent / "transferline")
PREFECT = (sys.executable, "-m", "prefect", "--no-prompt")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with prefect_server(tmp_path_factory.mktemp("server")) as env:
        yield env


def ended(flow: str, count: int) -> list[FlowRun]:
    runs = [run for run in runs_of(flow) if run.state is not None and run.state.is_final()]
    return runs if len(runs) >= count else []


def schedules() -> dict[str, tuple[str, bool]]:
    """When each deployment is due, and whether a collision cancels the new run."""
    with get_client(sync_client=True) as client:
        return {
            client.read_flow(found.flow_id).name: (
                str(getattr(found.schedules[0].schedule, "cron", None) or found.schedules[0].schedule.interval),
                found.concurrency_options is not None and found.concurrency_options.collision_strategy == "CANCEL_NEW",
            )
            for found in client.read_deployments()
        }


EXPECTED = {"retrain": ("0 3 * * 1", True), "watch": ("0:15:00", True), "reconcile": ("1:00:00", True)}


@pytest.mark.slow
def test_a_worker_runs_what_is_deployed_one_at_a_time(server: dict[str, str], tmp_path: Path) -> None:
    root = make_line(tmp_path / "line")
    command(*PREFECT, "work-pool", "create", "transferline", "--type", "process", cwd=root, env=server)
    command(*PREFECT, "deploy", "--all", cwd=root, env=server)
    assert schedules() == EXPECTED
    log = tmp_path / "worker.txt"
    worker = [*PREFECT, "worker", "start", "--pool", "transferline"]
    with started(worker, log, cwd=tmp_path, env=server | {"STEP_SECONDS": "4"}):
        for number in (1, 2):
            run_deployment("retrain/transferline", parameters={"reason": f"run {number}", "promote": False}, timeout=0)
        first, second = sorted(
            wait_for("both runs", 90, [log], lambda: ended("retrain", 2)), key=lambda run: str(run.state_name)
        )
    assert (first.state_name, second.state_name) == ("Cancelled", "Completed")
    assert second.name.startswith("run ") and "stages ran in" in str(second.state.message)
    assert (root / "reports/leaderboard.md").is_file()


@pytest.mark.thorough  # `make test` runs a schedule in test_nothing_is_left.py
def test_schedule_serves_the_same_in_one_process(tmp_path: Path) -> None:
    root = make_line(tmp_path / "line")
    env = environment_without_prefect()
    give_database(root / ".prefect")
    port, log = free_port(), tmp_path / "schedule.txt"
    api = f"http://127.0.0.1:{port}/api"
    words = [TRANSFERLINE, "schedule", "--prefect-port", str(port), "--watch", "20m"]
    with started(words, log, cwd=root, env=env) as process, temporary_settings({PREFECT_API_URL: api}):
        wait_for("deployments", 120, [log], lambda: len(schedules()) == 3)
        assert schedules() == {**EXPECTED, "watch": ("0:20:00", True)}
        (at_start,) = ended("reconcile", 1)
        assert at_start.deployment_id is None and at_start.state_name == "Completed"
        (root / "data/raw/images/b.txt").write_text("b")
        run_deployment("watch/transferline", timeout=0)
        (run,) = wait_for("retrain", 90, [log], lambda: ended("retrain", 1))
        assert run.name == "watch: first training on images" and run.tags == ["watch"]
        kept = json.loads((root / ".transferline/watched.json").read_text())["started"]
        assert [started["run"] for started in kept.values()] == [str(run.id)]
        assert "no model is selected yet" in str(run.state.message)  # the small line has no metrics to promote by
        process.terminate()
        assert process.wait(60) == 0
    text = log.read_text()
    assert "Warning" not in text and "watch: every 20 minutes" in text and "retrain: Mon " in text
    with pytest.raises(requests.ConnectionError):
        requests.get(api, timeout=5)


@pytest.mark.slow
def test_a_deployment_that_the_server_refuses_is_one_message(tmp_path: Path) -> None:
    root = make_line(tmp_path / "line")
    edit(root / "prefect.yaml", "{reason: weekly}", "{jobs: 0}")
    give_database(root / ".prefect")
    words = [TRANSFERLINE, "schedule", "--prefect-port", str(free_port())]
    env = environment_without_prefect()
    done = subprocess.run(words, cwd=root, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "error: prefect.yaml: Prefect's server refuses a deployment: " in done.stderr and "jobs" in done.stderr
