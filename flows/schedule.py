"""Runs the deployments of `prefect.yaml` on their schedules in this process. It needs no work pool and no worker."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect import serve
from prefect.deployments.runner import DeploymentApplyError, RunnerDeployment
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings

from transferline.errors import TransferlineError
from transferline.flows.deployments import read_deployments
from transferline.flows.flow_run import connected, drained
from transferline.flows.reconcile import reconcile
from transferline.flows.times import When, next_run
from transferline.prefect_server import configured_address, prefect_server
from transferline.text import reason_of


def main(root: Path, port: int, changed: dict[str, When]) -> None:
    """Runs the flow `reconcile` once, then the deployments on their schedules until SIGINT.

    End it with SIGINT: on SIGTERM Prefect's runner prints tracebacks.

    Args:
        root: the project's folder.
        port: the port of Prefect's page on 127.0.0.1. It is not used if the user has a server.
        changed: the schedules of flows, instead of those in `prefect.yaml`.

    Raises:
        TransferlineError: a deployment of `prefect.yaml` has a fault.
    """
    planned = read_deployments(root, changed)
    with _server(root, port):
        reconcile(return_state=True)
        for deployment in planned:
            print(f"{deployment.flow_name}: {_when(deployment)}", flush=True)
        try:
            serve(*planned, pause_on_shutdown=False)  # keeps the schedules on: missed runs start later
        except (DeploymentApplyError, PrefectHTTPStatusError) as error:
            why = reason_of(error)
            raise TransferlineError(f"prefect.yaml: Prefect's server refuses a deployment: {why}") from error


def _when(deployment: RunnerDeployment) -> str:
    if deployment.paused:
        return "paused"
    return ", ".join(map(next_run, deployment.schedules or [])) or "no schedule"


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
