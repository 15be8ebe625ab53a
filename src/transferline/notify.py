"""Notifies a webhook of a failure."""

import os

import requests

from transferline.progress import say
from transferline.text import reason_of

VARIABLE = "TRANSFERLINE_WEBHOOK"
SECONDS = 10


def notify(project: str, flow: str, run: str, stages: list[str], message: str, address: str | None) -> None:
    """Posts a failure as JSON to the URL in the environment variable TRANSFERLINE_WEBHOOK, if it is set.

    If the request fails, a warning is printed and no exception is raised.

    Args:
        project: the project's folder.
        flow: `retrain`, `watch` or `reconcile`.
        run: the name of the flow run.
        stages: the stages that failed or were interrupted.
        message: the reason.
        address: the URL of the run's page in Prefect.
    """
    if not (url := os.environ.get(VARIABLE)):
        return
    body = {"project": project, "flow": flow, "run": run, "stages": stages, "message": message, "address": address}
    try:
        requests.post(url, json=body, timeout=SECONDS).raise_for_status()
    except requests.RequestException as error:
        say(f"warning: the notification to the URL in {VARIABLE} failed: {reason_of(error)}")
