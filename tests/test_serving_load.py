"""The endpoint under load, while the champion changes."""

import http.client
import json
import re
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests

from benchmarks.serving import ask, make_project, register, request_of, served
from tests.conftest import COLORS
from tests.empty_databases import give_mlflow_database
from tests.test_serving import CARD, RIGHT, WRONG, mean_colour, picture
from transferline.params import load_params
from transferline.registry.tracking import connect


@pytest.mark.slow
def test_under_load_a_new_champion_takes_over_a_changed_file_does_not_and_the_end_is_in_order(tmp_path):
    make_project(tmp_path)
    give_mlflow_database(tmp_path)
    register(tmp_path, mean_colour(RIGHT), CARD)
    bodies, answers = [request_of([picture("blue")])], []
    with served(tmp_path) as (address, process), ThreadPoolExecutor(1) as pool:
        moves = pool.submit(move_champion, tmp_path, process)
        while not moves.done():
            answers += ask(address, bodies, 80, 8)
        moves.result()
        answers += ask(address, bodies, 80, 8)
        end_amid_a_request(address, process)
    assert {answer.status for answer in answers} == {200}
    found = {(one["version"], one["label"]) for answer in answers for one in answer.predictions}
    assert found == {("1", "blue"), ("3", "red")}
    assert {answer.predictions[0]["version"] for answer in answers[-80:]} == {"3"}


def move_champion(root: Path, process: subprocess.Popen[str]) -> None:
    """First to a version whose file was changed, then to a good one; each time until the server says what it did."""
    params = load_params(root / "params.yaml")
    client, name = connect(params.record, root), params.promote.model_name
    changed = register(root, mean_colour(WRONG), CARD, "challenger")
    with Path(client.get_model_version(name, changed).source.removeprefix("file://"), "data/model.tflite").open(
        "ab"
    ) as file:
        file.write(b"!")
    client.set_registered_model_alias(name, "champion", changed)
    refused = "version 1 stays: .* is refused: it is not the file that was registered as version 2"
    assert any(re.match(refused, line) for line in process.stdout)
    register(root, mean_colour(WRONG), CARD)
    assert any(re.match("digits version 3 .* predicts from now on", line) for line in process.stdout)


@pytest.mark.thorough
def test_under_heavy_load_five_champions_lose_no_request_and_take_no_more_memory(tmp_path, capsys):
    make_project(tmp_path)
    give_mlflow_database(tmp_path)
    register(tmp_path, mean_colour(RIGHT), CARD)
    bodies, resident, done = [request_of([picture(name)]) for name in COLORS], [], threading.Event()
    with served(tmp_path) as (address, process), ThreadPoolExecutor(2) as pool:
        server = psutil.Process(process.pid)
        ask(address, bodies, 640, 64)
        before, start = server.memory_info().rss, time.monotonic()

        def look() -> None:
            while not done.wait(0.2):
                resident.append(server.memory_info().rss)

        pool.submit(look)
        moves = pool.submit(five_champions, tmp_path, process)
        answers = ask(address, bodies, 10_000, 64)
        seconds = time.monotonic() - start
        while not moves.done():
            answers += ask(address, bodies, 640, 64)
        done.set()
        moves.result()
        answers += ask(address, bodies, 64, 64)
    assert {answer.status for answer in answers} == {200} and len(answers) >= 10_064
    assert {answer.predictions[0]["version"] for answer in answers} == {"1", "2", "3", "4", "5", "6"}
    assert {answer.predictions[0]["version"] for answer in answers[-64:]} == {"6"}
    growth, slowest = (max(resident) - before) / 2**20, max(answer.seconds for answer in answers)
    with capsys.disabled():
        print(f"\n10,000 requests in {seconds:.0f} s, slowest {slowest:.2f} s, {before / 2**20:.0f} + {growth:.0f} MiB")
    assert growth < 200


def five_champions(root: Path, process: subprocess.Popen[str]) -> None:
    for number in range(2, 7):
        register(root, mean_colour(WRONG if number % 2 else RIGHT), CARD)
        assert any(re.match(f"digits version {number} .* predicts from now on", line) for line in process.stdout)


def end_amid_a_request(address: str, process: subprocess.Popen[str]) -> None:
    """Sends SIGTERM between the two halves of a body; the request is answered, and no other is taken."""
    body = request_of([picture("green")])
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", "/invocations")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:50])
    assert requests.get(f"{address}/ping", timeout=60).ok
    process.terminate()
    with pytest.raises(requests.ConnectionError):
        while requests.get(f"{address}/ping", timeout=60).ok:
            time.sleep(0.05)
    connection.send(body[50:])
    response = connection.getresponse()
    assert response.status == 200 and json.loads(response.read())["predictions"][0]["label"] == "green"
    assert process.wait(60) == 0
