"""`transferline ui` with the real MLflow and the real Prefect."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests

from tests.empty_databases import give_database
from transferline import server_process
from transferline.errors import TransferlineError
from transferline.params import load_params
from transferline.registry.tracking import connect, experiment_id
from transferline.server_process import reserved_port
from transferline.ui import serve_pages

PROJECT = Path(__file__).parents[1]
SERVE = """
import sys
from pathlib import Path
from transferline.params import load_params
from transferline.ui import serve_pages

serve_pages(Path.cwd(), load_params(Path("params.yaml")), int(sys.argv[1]), int(sys.argv[2]))
"""


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def test_a_taken_port_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    params = load_params(PROJECT / "recipes/digits.yaml")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TransferlineError, match=f"Prefect's page cannot use port {port} .*--prefect-port"):
            serve_pages(tmp_path, params, free_ports(1)[0], port)


def test_servers_of_the_users_own_are_named_with_what_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    profiles = tmp_path / "profiles.toml"
    profiles.write_text('active = "team"\n[profiles.team]\nPREFECT_API_URL = "http://prefect.example/api"\n')
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(profiles))
    params = load_params(PROJECT / "recipes/digits.yaml")
    record = params.record.model_copy(update={"tracking_uri": "http://mlflow.example"})
    serve_pages(tmp_path, params.model_copy(update={"record": record}), 5000, 4200)
    said = capsys.readouterr().out
    assert "MLflow:  http://mlflow.example (your own server)" in said
    assert f"Prefect: http://prefect.example (your own server, from the profile team in {profiles})" in said


@pytest.mark.slow
def test_both_pages_answer_on_loopback_and_end_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / ".prefect"))
    give_database(tmp_path / ".prefect")
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    params = load_params(tmp_path / "params.yaml")
    experiment = experiment_id(connect(params.record, tmp_path), params.record, tmp_path)
    ports = free_ports(2)
    command = [sys.executable, "-c", SERVE, *map(str, ports)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(4)]
            runs = f"/#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey=transferline"
            tags = connect(params.record, tmp_path).get_experiment(experiment).tags
            columns = json.loads(tags["mlflow.sharedViewState.transferline"])["selectedColumns"]
            assert columns[1:] == [f"tags.`{name}`" for name in ("candidate", "phase")] + [
                f"metrics.`{split}/accuracy`" for split in ("validation", "test")
            ]
            assert said[1] == f"MLflow:  http://127.0.0.1:{ports[0]}{runs}\n"
            assert said[2] == f"Prefect: http://127.0.0.1:{ports[1]}\n"
            for port in ports:
                page = requests.get(f"http://127.0.0.1:{port}/", timeout=60)
                assert page.status_code == 200
                assert "<html" in page.text
            settings = requests.get(f"http://127.0.0.1:{ports[1]}/ui-settings", timeout=60).json()
            assert settings["api_url"] == f"http://127.0.0.1:{ports[1]}/api"
            children = psutil.Process(process.pid).children(recursive=True)
            sockets = [one for child in children for one in child.net_connections() if one.status == "LISTEN"]
            assert sorted(one.laddr.port for one in sockets) == sorted(ports)
            assert {one.laddr.ip for one in sockets} == {"127.0.0.1"}
        finally:
            process.terminate()
        assert process.wait(60) == 0
    assert not psutil.wait_procs(children, timeout=10)[1]


def test_two_commands_never_get_the_same_port_also_before_a_server_listens(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        usual = taken.getsockname()[1]
        with reserved_port(None, usual) as port:
            assert port != usual, "another program listens there"
    monkeypatch.setattr(server_process, "is_free", lambda port: True)  # no other program takes it meanwhile
    with reserved_port(None, usual) as first, reserved_port(None, usual) as second, reserved_port(1234, usual) as asked:
        assert first == usual != second and asked == 1234
    with reserved_port(None, usual) as again:
        assert again == usual
