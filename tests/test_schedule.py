"""A scheduled run starts and completes.

Some versions that pip accepts together break this. With SQLAlchemy 2.1, Prefect's server schedules nothing. From
FastAPI 0.151 on, the server refuses requests of Prefect's own client (422).
"""

import sys
from pathlib import Path

import pytest

from tests.small_line import prefect_server, runs_of, started, wait_for

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


@pytest.mark.slow
def test_a_scheduled_run_completes(tmp_path: Path) -> None:
    (tmp_path / "served.py").write_text(SERVED)
    log = tmp_path / "served.txt"
    with prefect_server(tmp_path) as env, started([sys.executable, "served.py"], log, env=env, cwd=tmp_path):
        completed = lambda: [run for run in runs_of("soon") if run.state_name == "Completed"]  # noqa: E731
        (run,) = wait_for("completed scheduled run", 120, [log], completed)
    assert run.auto_scheduled
