"""Runs the deployments of `prefect.yaml` on their schedules in this process. It needs no work pool and no worker."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect import serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Interval, Schedule
from prefect.settings import PREFECT_API_URL, temporary_settings
from ruamel.yaml import YAML

from transferline.flows.flow_run import connected, drained
from transferline.flows.reconcile import reconcile
from transferline.prefect_server import configured_address, prefect_server


def main(root: Path, port: int) -> None:
    """Runs the flow `reconcile` once, then the deployments on their schedules until SIGINT.

    End it with SIGINT: on SIGTERM Prefect's runner prints tracebacks.

    Args:
        root: the project's folder.
        port: the port of Prefect's page on 127.0.0.1. It is not used if the user has a server.
    """
    with _server(root, port):
        reconcile(return_state=True)
        serve(*deployments(root), pause_on_shutdown=False)  # keeps the schedules on: missed runs start later


def deployments(root: Path) -> list[RunnerDeployment]:
    """Returns the deployments of `prefect.yaml`, without the work pool."""
    entries = YAML(typ="safe", pure=True).load(root / "prefect.yaml")["deployments"]
    return [
        RunnerDeployment.from_entrypoint(
            entry["entrypoint"],
            name=entry["name"],
            description=entry["description"],
            parameters=entry.get("parameters"),
            schedules=[_schedule(**schedule) for schedule in entry["schedules"]],
            concurrency_limit=ConcurrencyLimitConfig(**entry["concurrency_limit"]),
        )
        for entry in entries
    ]


def _schedule(cron: str | None = None, interval: float | None = None, timezone: str | None = None) -> Schedule:
    return Cron(cron, timezone=timezone) if cron else Interval(interval, timezone=timezone)


@contextmanager
def _server(root: Path, port: int) -> Iterator[None]:
    """Connects to the user's server, or starts Prefect's server if the user has none."""
    if configured_address():
        with connected(None):
            yield
        return
    with prefect_server(root, port) as address:
        os.environ["PREFECT_API_URL"] = address  # for the runs, which are separate processes
        with temporary_settings({PREFECT_API_URL: address}), drained():
            yield
