"""An automation of Prefect's server that posts failed and crashed runs to a URL.

It is created by `python -m transferline.flows.automation URL`.

Prefect's server sends the posts. So they also arrive if the host of the run has no network access, or if `reconcile`
marks the run as crashed.
"""

import argparse
import sys
from urllib.parse import urlsplit

from prefect import get_client
from prefect.automations import Automation, CallWebhook, EventTrigger
from prefect.blocks.webhook import Webhook
from prefect.events.schemas.automations import Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.settings import PREFECT_API_URL, temporary_settings

from transferline import environment
from transferline.errors import TransferlineError
from transferline.flows.flow_run import connected
from transferline.prefect_server import configured_address

NAME = "transferline: a run failed"
BLOCK = "transferline-failures"
STATES = {"prefect.flow-run.Failed", "prefect.flow-run.Crashed"}
FLOWS = {"prefect.resource.role": "flow", "prefect.resource.name": ["retrain", "watch", "reconcile"]}
PAYLOAD = """{{ {"flow": flow.name, "run": flow_run.name, "state": flow_run.state.name,
"message": flow_run.state.message, "address": flow_run|ui_url} | tojson }}"""


def create(url: str) -> None:
    """Creates the automation on the server of Prefect's settings, and replaces an existing one."""
    block = Webhook(method="POST", url=url, headers={"Content-Type": "application/json"})
    identifier = block.save(BLOCK, overwrite=True)
    with get_client(sync_client=True) as client:
        for old in client.read_automations_by_name(NAME):
            client.delete_automation(old.id)
    trigger = EventTrigger(
        expect=STATES,
        match_related=ResourceSpecification(FLOWS),
        posture=Posture.Reactive,
        for_each={"prefect.resource.id"},
        threshold=1,
    )
    Automation(
        name=NAME, trigger=trigger, actions=[CallWebhook(block_document_id=identifier, payload=PAYLOAD)]
    ).create()


def main(arguments: list[str]) -> None:
    """Creates the automation, and prints on which server.

    Raises:
        TransferlineError: no server is configured, or it does not answer.
    """
    parser = argparse.ArgumentParser("python -m transferline.flows.automation", description="Posts failures to a URL.")
    parser.add_argument("url", type=_web_address, help="of the webhook, for example https://example.com/failures")
    url = parser.parse_args(arguments).url
    environment.enter_project()
    if not (address := configured_address()):
        raise TransferlineError(
            "no Prefect server is configured; set PREFECT_API_URL to its address, such as http://127.0.0.1:4200/api"
        )
    with temporary_settings({PREFECT_API_URL: address.url}), connected(None):
        create(url)
    print(f"{address.url} (from {address.origin}): the automation {NAME!r} posts failed and crashed runs to {url}")


def _web_address(text: str) -> str:
    address = urlsplit(text)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise argparse.ArgumentTypeError(f"{text} is not an address such as https://example.com/failures")
    return text


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except TransferlineError as error:
        sys.exit(f"error: {error}")
