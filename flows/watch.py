"""The watch flow: new raw data starts a retraining."""

from prefect import flow, get_client
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Failed, State

from flows.retrain import retrain
from flows.run import sign, tell_of_failure
from tasks.log import quiet_failures
from transferline import environment
from transferline.datasets.changes import Change, find_change
from transferline.errors import TransferlineError
from transferline.params import load_params

DEPLOYMENT = "retrain/retrain"


@flow(name="watch", retries=0, persist_result=False, on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def watch() -> State:
    """Asks whether the raw data has changed: the files, the source of an import, the Git remote.

    Returns:
        A completed state that says what changed or that nothing did, or a failed one if nobody could tell.
    """
    quiet_failures()
    sign()
    try:
        root = environment.enter_project()
        dataset = load_params(root / "params.yaml").data.dataset
        change = find_change(root, dataset)
    except TransferlineError as error:
        return Failed(message=str(error))
    if change is None:
        return Completed(message=f"no change of {dataset}")
    _start(change)
    return Completed(message=f"started retrain: {change.reason}")


def _start(change: Change) -> None:
    """Starts the deployed flow, or runs it here where none is deployed."""
    parameters = {"reason": change.reason, "update": change.update, "data_revision": change.revision}
    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(DEPLOYMENT)
        except ObjectNotFound:
            retrain(**parameters, return_state=True)
            return
    run_deployment(DEPLOYMENT, parameters=parameters, tags=["watch"], timeout=0, as_subflow=False)
