"""Runs the deployments of `prefect.yaml` on their schedules in this process. It needs no work pool and no worker."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Interval, Schedule
from prefect.settings import PREFECT_API_URL, temporary_settings

from transferline.flows.flow_run import connected, drained
from transferline.flows.reconcile import reconcile
from transferline.flows.times import ANCHOR, When, next_run
from transferline.prefect_server import configured_address, prefect_server
from transferline.project_files import prefect_file


def main(root: Path, port: int, changed: dict[str, When]) -> None:
    """Runs the flow `reconcile` once, then the deployments on their schedules until SIGINT.

    End it with SIGINT: on SIGTERM Prefect's runner prints tracebacks.

    Args:
        root: the project's folder.
        port: the port of Prefect's page on 127.0.0.1. It is not used if the user has a server.
        changed: the schedules of flows, instead of those in `prefect.yaml`.
    """
    with _server(root, port):
        reconcile(return_state=True)
        planned = [deployment(entry) for entry in entries(root, changed)]
        for one in planned:
            print(f"{one.flow_name}: {', '.join(map(next_run, one.schedules))}", flush=True)
        serve(*planned, pause_on_shutdown=False)  # keeps the schedules on: missed runs start later


def entries(root: Path, changed: dict[str, When]) -> list[dict[str, Any]]:
    """Returns the deployments in `prefect.yaml`, with the schedules of `changed` where it names the flow."""
    found = prefect_file(root)["deployments"]
    return [
        {**entry, "schedules": [changed[flow_of(entry)]]} if flow_of(entry) in changed else entry for entry in found
    ]


def flow_of(entry: dict[str, Any]) -> str:
    """Returns the name of the flow of an entry of `prefect.yaml`, which is the name of its function."""
    return str(entry["entrypoint"]).rpartition(".")[2]


def deployment(entry: dict[str, Any]) -> RunnerDeployment:
    """Returns the deployment of an entry of `prefect.yaml`, without the work pool."""
    return RunnerDeployment.from_entrypoint(
        entry["entrypoint"],
        name=entry["name"],
        description=entry["description"],
        parameters=entry.get("parameters"),
        schedules=[_schedule(**schedule) for schedule in entry["schedules"]],
        concurrency_limit=ConcurrencyLimitConfig(**entry["concurrency_limit"]),
    )


def _schedule(cron: str | None = None, interval: float | None = None, timezone: str | None = None) -> Schedule:
    return Cron(cron, timezone=timezone) if cron else Interval(interval, anchor_date=ANCHOR, timezone=timezone)


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
