"""A scheduled run happens and can be asked for. Versions that pip accepts together break either: with SQLAlchemy 2.1
Prefect's server schedules nothing, and from FastAPI 0.151 on it refuses what Prefect's own client asks (422)."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from prefect import get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.settings import PREFECT_API_URL, temporary_settings

SECONDS_TO_START = 180
SECONDS_TO_COMPLETE = 120
SERVED = """
from datetime import datetime, timedelta, timezone

from prefect import flow
from prefect.schedules import Interval


@flow
def soon():
    print("it is time")


if __name__ == "__main__":
    first = datetime.now(timezone.utc) + timedelta(seconds=15)
    soon.serve(schedules=[Interval(timedelta(hours=1), anchor_date=first)])
"""


@contextmanager
def started(command: list[str], log: Path, **kwargs: Any) -> Iterator[None]:
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True, **kwargs)
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(what: str, seconds: float, logs: list[Path], look: Any) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except requests.ConnectionError:
            pass
        time.sleep(1)
    pytest.fail("\n".join([f"{what} not within {seconds} s", *(log.read_text()[-3000:] for log in logs)]))


@pytest.mark.slow
def test_a_scheduled_run_completes(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
        "DO_NOT_TRACK": "1",
    }
    (tmp_path / "served.py").write_text(SERVED)
    server = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    logs = [tmp_path / "server.txt", tmp_path / "served.txt"]

    def completed() -> list[FlowRun]:
        with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
            return [run for run in client.read_flow_runs() if run.state_type == StateType.COMPLETED]

    with ExitStack() as stack:
        stack.enter_context(started(server, logs[0], env=env))
        wait_for("server", SECONDS_TO_START, logs[:1], lambda: requests.get(f"{api}/health", timeout=30).ok)
        stack.enter_context(started([sys.executable, "served.py"], logs[1], env=env, cwd=tmp_path))
        run = wait_for("completed scheduled run", SECONDS_TO_COMPLETE, logs, completed)[0]
    assert run.auto_scheduled
