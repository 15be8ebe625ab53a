"""When the main process of a command ends, in any way, all processes that it started end too."""

import signal
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.empty_databases import give_database
from tests.small_line import environment_without_prefect, free_port, make_line, runs_of, started, wait_for

TRANSFERLINE = str(Path(sys.executable).parent / "transferline")
SERVER_OF_A_COMMAND = """
import time
from transferline import environment
from transferline.prefect_server import embedded_server

with embedded_server(environment.enter_project()) as server:
    print("answers at", server(), flush=True)
    time.sleep(600)
"""
# the words of each command, ports left out, what it prints once all is up, and its exit status after SIGTERM
COMMANDS = {
    "a command with its own server": ([sys.executable, "-c", SERVER_OF_A_COMMAND], "answers at", 143),
    "ui": ([TRANSFERLINE, "ui", "--mlflow-port", "PORT", "--prefect-port", "PORT"], "Ctrl-C stops the servers", 0),
    "schedule at its start": ([TRANSFERLINE, "schedule", "--prefect-port", "PORT"], "Beginning flow run", 0),
    "schedule": ([TRANSFERLINE, "schedule", "--prefect-port", "PORT"], "Your deployments are being served", 0),
}
MARK = "TRANSFERLINE_TEST_MARK"
# as a shell script starts what stands before a `&`
IN_BACKGROUND = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]


def left(mark: str) -> list[str]:
    """The command lines of all processes that descend from a test."""
    found = []
    for process in psutil.process_iter(["environ", "status", "cmdline"]):
        if (process.info["environ"] or {}).get(MARK) == mark and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(" ".join(process.info["cmdline"]))
    return found


def require_nothing_left(mark: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while found := left(mark):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Of what a test starts, in the project `line`."""
    give_database(make_line(tmp_path / "line") / ".prefect")
    return environment_without_prefect() | {MARK: uuid.uuid4().hex}


@pytest.mark.thorough
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_to_the_main_process_ends_all(
    environ: dict[str, str], tmp_path: Path, name: str, sign: signal.Signals
) -> None:
    words, sentence, status = COMMANDS[name]
    words = [str(free_port()) if word == "PORT" else word for word in words]
    log = tmp_path / "log.txt"
    with started(IN_BACKGROUND + words, log, cwd=tmp_path / "line", env=environ) as process:
        wait_for(sentence, 120, [log], lambda: sentence in log.read_text())
        assert len(left(environ[MARK])) > 2
        process.send_signal(sign)
        assert process.wait(60) == (-signal.SIGKILL if sign == signal.SIGKILL else status)
        require_nothing_left(environ[MARK])
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    "sign",
    [pytest.param(signal.SIGKILL, marks=pytest.mark.slow), pytest.param(signal.SIGTERM, marks=pytest.mark.thorough)],
)
def test_a_schedule_takes_the_run_that_is_at_work_along(
    environ: dict[str, str], tmp_path: Path, sign: signal.Signals
) -> None:
    log, port = tmp_path / "log.txt", free_port()
    words = [*IN_BACKGROUND, TRANSFERLINE, "schedule", "--prefect-port", str(port)]
    environ = environ | {"STEP_SECONDS": "600"}
    with (
        started(words, log, cwd=tmp_path / "line", env=environ) as process,
        temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}),
    ):
        wait_for("schedule", 120, [log], lambda: "Your deployments are being served" in log.read_text())
        run_deployment("retrain/transferline", parameters={"promote": False}, timeout=0)
        wait_for("stage", 90, [log], lambda: "validate is at work" in log.read_text())
        assert [run.state_name for run in runs_of("retrain")] == ["Running"]
        assert any("step.py" in words for words in left(environ[MARK]))
        process.send_signal(sign)
        process.wait(60)
        require_nothing_left(environ[MARK])
