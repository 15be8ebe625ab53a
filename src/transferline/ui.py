"""Serves the web pages of MLflow and Prefect on loopback, until one of the servers ends or the user stops them."""

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import requests

from transferline import environment
from transferline.params import Params
from transferline.prefect_server import configured_address, prefect_page
from transferline.progress import say
from transferline.server_process import (
    SECONDS_BETWEEN_LOOKS,
    Server,
    require_alive,
    require_free,
    sigterm_as_exit,
    started,
    wait_until_answering,
)

VIEW = "transferline"  # the name under which MLflow stores the state of the table


def serve_pages(root: Path, params: Params, mlflow_port: int, prefect_port: int) -> None:
    """Serves both pages until Ctrl-C or SIGTERM, then stops both servers.

    If the user has configured a server of MLflow or Prefect, only its address is printed.

    Args:
        root: the project's folder, which holds the runs of MLflow and Prefect.
        params: `record.tracking_uri` (the store of MLflow's runs), `record.experiment` and `select.metric` are used.
        mlflow_port: port of MLflow's page on 127.0.0.1.
        prefect_port: port of Prefect's page on 127.0.0.1.

    Raises:
        TransferlineError: a port is in use, or a server does not start or ends unexpectedly.
    """
    environment.prepare(root)
    servers = []
    if params.record.tracking_uri.startswith("http"):
        say(f"MLflow:  {params.record.tracking_uri} (your own server)")
    else:
        store = ("--backend-store-uri", params.record.tracking_uri, "--workers", "1")
        servers.append(Server("MLflow", ("mlflow", "server", *store), mlflow_port, "/health"))
    if address := configured_address():
        say(f"Prefect: {address.url.removesuffix('/api')} (your own server, from {address.origin})")
    else:
        servers.append(prefect_page(prefect_port))
    with sigterm_as_exit(0), contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        for server in servers:
            require_free(server)
        running = [stack.enter_context(started(server, root)) for server in servers]
        wait_until_answering(running)
        for server in servers:
            path = (
                _path_of_runs(server, params.record.experiment, params.select.metric) if server.name == "MLflow" else ""
            )
            say(f"{server.name + ':':8} {server.address}{path}")
        if running:
            say("Ctrl-C stops the servers")
        while running:
            require_alive(running)
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _path_of_runs(server: Server, experiment: str, metric: str) -> str:
    """Returns the URL path of the page with the experiment's table of runs.

    It first stores in MLflow which columns the table shows. The path names the page for machine learning, because by
    default MLflow 3 opens its pages for language models.
    """
    experiments = f"{server.address}/api/2.0/mlflow/experiments"
    found = requests.get(f"{experiments}/get-by-name", {"experiment_name": experiment}, timeout=60)
    if not found.ok:
        return "/#/experiments?workflowType=machine_learning"
    number = found.json()["experiment"]["experiment_id"]
    tag = {
        "experiment_id": number,
        "key": f"mlflow.sharedViewState.{VIEW}",
        "value": json.dumps(_table_of_runs(metric)),
    }
    requests.post(f"{experiments}/set-experiment-tag", json=tag, timeout=60)
    return f"/#/experiments/{number}/runs?workflowType=machine_learning&viewStateShareKey={VIEW}"


def _table_of_runs(metric: str) -> dict[str, Any]:
    """Returns the state of MLflow's table of runs, in the form that MLflow's button Share stores."""
    on_validation = f"metrics.`validation/{metric}`"
    columns = ["attributes.`Dataset`", "tags.`candidate`", "tags.`phase`", on_validation, f"metrics.`test/{metric}`"]
    return {
        "selectedColumns": columns,
        "orderByKey": on_validation,
        "orderByAsc": metric.endswith("loss"),
        "searchFilter": "",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
    }
