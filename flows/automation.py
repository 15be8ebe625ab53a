"""An automation of Prefect's server that posts failed and crashed runs to a URL.

It is created by `python -m transferline.flows.automation URL`.

Prefect's server sends the posts. So they also arrive if the host of the run has no network access, or if `reconcile`
marks the run as crashed.
"""

import sys

from prefect import get_client
from prefect.automations import Automation, CallWebhook, EventTrigger
from prefect.blocks.webhook import Webhook
from prefect.events.schemas.automations import Posture
from prefect.events.schemas.events import ResourceSpecification

NAME = "transferline: a run failed"
BLOCK = "transferline-failures"
STATES = {"prefect.flow-run.Failed", "prefect.flow-run.Crashed"}
FLOWS = {"prefect.resource.role": "flow", "prefect.resource.name": ["retrain", "watch", "reconcile"]}
PAYLOAD = """{{ {"flow": flow.name, "run": flow_run.name, "state": flow_run.state.name,
"message": flow_run.state.message, "address": flow_run|ui_url} | tojson }}"""


def create(url: str) -> None:
    """Creates the automation on the server that PREFECT_API_URL names, and replaces an existing one."""
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


if __name__ == "__main__":
    create(sys.argv[1])
