"""`transferline serve`: the endpoint on 127.0.0.1, always with the version that an alias names."""

import contextlib
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from transferline.errors import TransferlineError
from transferline.params import Params
from transferline.progress import say
from transferline.registry.registered_models import version_named
from transferline.registry.tracking import connect
from transferline.serving.application import application
from transferline.serving.connections import LimitedConnection
from transferline.serving.served_model import LoadedVersion, ServedModel, load_version

if TYPE_CHECKING:
    from mlflow import MlflowClient

HOST = "127.0.0.1"
SECONDS_BETWEEN_LOOKS = 2.0
EXAMPLE = "curl -s {address}/invocations -H 'Content-Type: image/jpeg' --data-binary @photo.jpg"


def serve_model(root: Path, params: Params, alias: str, port: int, most_mib: float) -> None:
    """Serves a registered model until Ctrl-C or SIGTERM; requests that have arrived by then still get a response.

    When the alias moves, the new version is loaded while the old one predicts. Later requests use the new one.

    Args:
        root: the project's folder.
        params: name the registry and the model in it.
        alias: an alias or a version's number.
        port: on 127.0.0.1; 0 takes a free one.
        most_mib: the largest body of a request, in MiB.

    Raises:
        TransferlineError: the port is taken, the registry has no such version, or a file is not the registered one.
    """
    name, stop = params.promote.model_name, threading.Event()
    with contextlib.suppress(KeyboardInterrupt), _listener(port) as listener:
        client = connect(params.record, root)
        version = version_named(client, name, alias)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        served = ServedModel(load_version(version, root))
        threading.Thread(target=_follow, args=(client, name, alias, root, served, stop), daemon=True).start()
        config = uvicorn.Config(
            application(served, name, alias, int(most_mib * 2**20)),
            http=LimitedConnection,
            ws="none",
            log_level="warning",
            access_log=False,
        )
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        say(f"{_described(name, served.loaded)} is served at {address} until Ctrl-C. Try:")
        say(EXAMPLE.format(address=address))
        try:
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            stop.set()


def _listener(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise TransferlineError(
            f"port {port} of {HOST} cannot be used: {error.strerror}; choose one with --port"
        ) from error


def _described(name: str, loaded: LoadedVersion) -> str:
    return f"{name} version {loaded.version} ({loaded.card.candidate}, {loaded.card.phase}, {loaded.sha256[:12]})"


def _follow(
    client: "MlflowClient", name: str, alias: str, root: Path, served: ServedModel, stop: threading.Event
) -> None:
    """Checks every few seconds which version the alias names; an error of a new version is printed once."""
    printed = ""
    while not stop.wait(SECONDS_BETWEEN_LOOKS):
        try:
            version = version_named(client, name, alias)
            if str(version.version) != served.loaded.version:
                served.loaded = load_version(version, root)
                say(f"{_described(name, served.loaded)} predicts from now on")
            printed = ""
        except Exception as error:  # the registry may not answer for a while: the version in memory is kept
            if str(error) != printed:
                say(f"version {served.loaded.version} stays: {error}")
            printed = str(error)
