"""Clients of the endpoint that are slow, too many, or leave; and addresses that are not there."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from tests.test_hostile_requests import GOOD, MOST, served
from transferline.serving import bodies, connections
from transferline.serving.connections import LimitedConnection


@contextmanager
def running(monkeypatch: pytest.MonkeyPatch, **limits: float) -> Iterator[tuple[str, int]]:
    """A real server in a thread, with other limits of `connections` and `bodies`."""
    for name, value in limits.items():
        monkeypatch.setattr(connections if hasattr(connections, name) else bodies, name, value)
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        settings = {"http": LimitedConnection, "ws": "none", "log_level": "warning", "access_log": False}
        server = uvicorn.Server(uvicorn.Config(served(), **settings))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[:2]
        finally:
            server.should_exit = True
            thread.join()


HEADER = b"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"


def opened(address: tuple[str, int], *parts: bytes) -> socket.socket:
    client = socket.create_connection(address, timeout=30)
    for part in parts:
        client.sendall(part)
    return client


def rest_of(client: socket.socket) -> bytes:
    """All that the server sends until it closes the connection."""
    found = b""
    try:
        while part := client.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


@pytest.mark.slow
def test_slow_clients_are_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"SECONDS_FOR_A_HEADER": 0.5, "SECONDS_FOR_A_BODY": 1.0}
    with running(monkeypatch, **limits) as address:
        clients = [opened(address, *parts) for parts in ((), (b"POST /inv",), (HEADER,), (HEADER, b"\r\n{"))]
        start = time.monotonic()
        answers = [rest_of(client) for client in clients]
        assert answers[:3] == [b"", b"", b""] and b"408" in answers[3] and b"within 1 seconds" in answers[3]
        assert time.monotonic() - start < 10
        second = opened(address, b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200 OK" in second.recv(65536)
        time.sleep(0.2)
        second.sendall(b"GET /ping")  # the header of a second request on the same connection
        assert b"HTTP" not in rest_of(second)


@pytest.mark.slow
def test_more_connections_than_the_limit_are_closed_and_the_others_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch, MOST_CONNECTIONS=20) as address:
        clients = [opened(address) for _ in range(60)]
        answers = [asked(client) for client in clients]
        assert answers.count(b"") == 40 and sum(b"200 OK" in answer for answer in answers) == 20
    with running(monkeypatch, MOST_CONNECTIONS=20) as address:
        slow = [opened(address, b"POST /inv") for _ in range(60)]
        assert b"200 OK" in asked(opened(address)), "slow ones make room"
        assert len(slow) == 60


def asked(client: socket.socket) -> bytes:
    try:
        client.sendall(b"GET /ping HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    except OSError:  # the server has closed the connection
        return b""
    return rest_of(client)


@pytest.mark.slow
def test_bodies_in_memory_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch, BODIES_AT_ONCE=1) as address:
        long = HEADER.replace(b"100", str(MOST).encode()) + b"\r\n"
        first = opened(address, long, b" " * (MOST - 10))
        time.sleep(1)
        second = opened(address, HEADER + b"\r\n" + b" " * 100)
        assert b"503" in (refused := rest_of(second)) and b"other requests fill the memory" in refused
        first.close()
        time.sleep(0.5)
        third = opened(address, HEADER + b"\r\n" + b" " * 100)
        assert b"400" in third.recv(65536), "the memory is free again"


@pytest.mark.slow
def test_clients_that_leave_print_nothing(monkeypatch: pytest.MonkeyPatch, capfd: Any, caplog: Any) -> None:
    body = json.dumps(GOOD).encode()
    whole = HEADER.replace(b"100", str(len(body)).encode()) + b"\r\n" + body
    with running(monkeypatch) as address:
        for parts in ((HEADER,), (HEADER, b"\r\n"), (HEADER, b"\r\n{"), (whole,), (whole, whole), (whole, b"GET")):
            for _ in range(5):
                opened(address, *parts).close()
        chunked = HEADER.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked") + b"\r\n"
        for parts in ((chunked, b"zz\r\n"), (chunked, b"5\r\nabc"), (b"\0\xff\r\n\r\n",), (whole, b"\0\0\r\n\r\n")):
            client = opened(address, *parts)
            client.shutdown(socket.SHUT_WR)
            rest_of(client)
        upgrade = opened(address, b"GET /ping HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert b"200 OK" in upgrade.recv(65536)
    printed = capfd.readouterr()
    assert "Traceback" not in printed.err + printed.out + caplog.text


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/nothing", "/invocations"])
def test_there_are_no_other_pages(path: str) -> None:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(served()), base_url="http://test") as client:
            return await client.get(path)

    found = asyncio.run(ask())
    assert found.status_code == (405 if path == "/invocations" else 404)
    assert set(found.json()) == {"error_code", "message"}
