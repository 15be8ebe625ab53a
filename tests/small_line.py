"""A project with the real flows and tasks. Its pipeline has small steps instead of trainings. Also helpers for it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from prefect import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.empty_databases import give_database
from tests.made_once import made_once
from transferline import pipeline

PROJECT = Path(__file__).parents[1]
SECONDS_TO_START = 180

STEP = """
import os
import sys
import time
from pathlib import Path

step, source, target = sys.argv[1:]
text = Path(source).read_text() if Path(source).is_file() else "".join(sorted(map(str, Path(source).rglob("*"))))
if step in text:
    sys.exit(f"error: {source}: 1 broken image\\n  a.png: truncated; mend or remove it")
print(step, "is at work", flush=True)
for epoch in (1, 2):
    time.sleep(float(os.environ.get("STEP_SECONDS", 0)) / 2)
    print(f"{step}: epoch {epoch} of 2  loss 0.5", flush=True)
Path(target).parent.mkdir(exist_ok=True)
Path(target).write_text(text)
"""

PIPELINE = """
stages:
  validate:
    cmd: python step.py validate data/raw/${data.dataset} manifest
    params: [validate]
    deps: ["data/raw/${data.dataset}"]
    outs: [manifest]
  train_head:
    foreach: ${candidates}
    do:
      cmd: python step.py train_head manifest models/${key}
      params: ["candidates.${key}.train_head"]
      deps: [manifest]
      outs: ["models/${key}"]
  select:
    cmd: python step.py select models/lite0_plain reports/leaderboard.md
    deps: [models]
    outs: [reports/leaderboard.md]
"""


def make_line(root: Path) -> Path:
    """A committed project on data/raw/images, which is under `dvc add`; nothing has run in it."""
    return shutil.copytree(made_once("line", _make_line), root, dirs_exist_ok=True)


def _make_line(root: Path) -> None:
    root.mkdir()
    for name in ("prefect.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(PROJECT / name, root / name)
    params = (PROJECT / "params.yaml").read_text().replace("dataset: digits", "dataset: images")
    files = {"step.py": STEP, "dvc.yaml": PIPELINE, "params.yaml": params, "data/raw/images/a.txt": "a"}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    command("git", "init", "-q", "-b", "main", cwd=root)
    command("dvc", "init", "-q", cwd=root)
    shutil.copy(PROJECT / ".dvc/config", root / ".dvc/config")
    command("dvc", "add", "-q", "data/raw/images", cwd=root)
    commit(root)


def commit(root: Path) -> None:
    command("git", "add", "-A", cwd=root)
    command("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "change", cwd=root)


def command(*words: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """What a command that has to succeed prints."""
    done = subprocess.run([str(word) for word in words], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@contextmanager
def started(words: list[str], log: Path, **kwargs: Any) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("w") as file:
        process = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT, start_new_session=True, **kwargs)
        try:
            yield process
        finally:
            for sign in (signal.SIGTERM, signal.SIGKILL):
                if process.poll() is None:
                    os.killpg(process.pid, sign)
                    try:
                        process.wait(30)
                    except subprocess.TimeoutExpired:
                        continue


def wait_for(what: str, seconds: float, logs: list[Path], look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except (requests.ConnectionError, httpx.TransportError):
            pass
        time.sleep(0.5)
    pytest.fail("\n".join([f"{what} not within {seconds} s", *(log.read_text()[-3000:] for log in logs)]))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def environment_without_prefect() -> dict[str, str]:
    """The variables of this process without Prefect's, but for the one that hides the developer's own profiles."""
    kept = "PREFECT_PROFILES_PATH"
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_") or name == kept}


@contextmanager
def prefect_server(folder: Path) -> Iterator[dict[str, str]]:
    """A Prefect server on loopback with its state in `folder`; yields the environment of those who use it."""
    port = free_port()
    env = environment_without_prefect() | {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    }
    give_database(folder / "prefect")
    words = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    log = folder / "server.txt"
    with started(words, log, env=env):
        health = f"{env['PREFECT_API_URL']}/health"
        wait_for("server", SECONDS_TO_START, [log], lambda: requests.get(health, timeout=30).ok)
        with temporary_settings({PREFECT_API_URL: env["PREFECT_API_URL"]}):
            yield env
            EventsWorker.drain_all()  # events for a server that is gone would hold up the next test's for minutes


def runs_of(flow: str) -> list[FlowRun]:
    """The runs of a flow that are no longer only scheduled."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])))
    return [run for run in runs if run.state_name not in ("Scheduled", "Late")]


@contextmanager
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook on loopback: its URL, and the JSON bodies that were posted to it."""
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def changed(root: Path) -> dict[str, list[str]]:
    """The stages that would run, with the reasons."""
    return {name: step.reasons for name, step in pipeline.plan(root).items()}
