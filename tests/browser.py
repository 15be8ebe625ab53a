"""Chromium without a window, over its DevTools protocol."""

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import requests
from websockets.sync.client import ClientConnection, connect

OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)
SECONDS = 60
SEEN = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Network.requestWillBeSent")


class Browser:
    """A tab.

    Attributes:
        messages: what the page wrote to the console, and its exceptions.
        requests: the addresses that it asked for, without data URIs.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.messages: list[Any] = []
        self.requests: list[str] = []
        self._connection, self._numbers = connection, count(1)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a method of the protocol."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(SECONDS))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message: Any) -> None:
        name, found = message.get("method"), message.get("params")
        if name == "Network.requestWillBeSent":
            address = found["request"]["url"]
            self.requests += [] if address.startswith("data:") else [address]
        elif name in SEEN:
            self.messages.append(found)

    def open(self, file: Path, width: int, scheme: str) -> None:
        """Opens a page in a window of `width` pixels, with the colour scheme light or dark, and waits for pictures."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.messages, self.requests = [], []
        self.call("Page.navigate", url=file.resolve().as_uri())
        deadline = time.monotonic() + SECONDS
        while not self.value("document.readyState === 'complete' && [...document.images].every(one => one.complete)"):
            assert time.monotonic() < deadline, "the page is not complete"
            time.sleep(0.1)

    def value(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def photograph(self, file: Path, top: int, width: int, height: int) -> None:
        """Writes a part of the page as a PNG."""
        clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        file.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browser(command: str, folder: Path) -> Iterator[Browser]:
    """A tab of a Chromium that keeps its files in `folder`."""
    words = [command, *OPTIONS, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            port, deadline = folder / "DevToolsActivePort", time.monotonic() + SECONDS
            while not (port.exists() and port.read_text().count("\n")):
                assert process.poll() is None and time.monotonic() < deadline, "Chromium did not start"
                time.sleep(0.1)
            address = f"http://127.0.0.1:{port.read_text().splitlines()[0]}/json"
            (tab,) = [one for one in requests.get(address, timeout=SECONDS).json() if one["type"] == "page"]
            with connect(tab["webSocketDebuggerUrl"], max_size=None) as connection:
                yield Browser(connection)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
