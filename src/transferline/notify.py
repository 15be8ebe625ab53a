"""Tells a webhook of a failure."""

import os

import requests

from transferline.progress import say

VARIABLE = "TRANSFERLINE_WEBHOOK"
SECONDS = 10


def notify(project: str, flow: str, run: str, stages: list[str], message: str, address: str | None) -> None:
    """Posts what failed, as JSON, to the URL in TRANSFERLINE_WEBHOOK, if there is one. Failing to do so is only said.

    Args:
        project: the project's folder.
        flow: `retrain`, `watch` or `reconcile`.
        run: the name of the flow's run.
        stages: those that failed or were cut off.
        message: the reason.
        address: of the run's page in Prefect.
    """
    if not (url := os.environ.get(VARIABLE)):
        return
    body = {"project": project, "flow": flow, "run": run, "stages": stages, "message": message, "address": address}
    try:
        requests.post(url, json=body, timeout=SECONDS).raise_for_status()
    except requests.RequestException as error:
        say(f"warning: {VARIABLE} did not take the notification: {error}")
