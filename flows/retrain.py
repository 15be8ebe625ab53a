"""The retrain flow: the stages that DVC would run, one task each, then promotion."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, get_run_logger
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelled, Completed, Failed, State
from pydantic import Field

from flows.flow_run import connected, sign, tell_of_failure
from flows.summary import closing, outcome
from tasks.jobs import run_steps
from tasks.log import quiet_failures
from tasks.promotion import promote_selected
from transferline import environment, pipeline
from transferline.datasets.changes_by_hand import refuse_edited_import, version_by_hand
from transferline.datasets.public_datasets import check_at_hand, list_source
from transferline.datasets.revisions import take_revision, update_import
from transferline.errors import TransferlineError
from transferline.recipes import complete_params, remove_other_candidates, use
from transferline.training_lock import LockHeldError, held
from transferline.warm import DVC, TENSORFLOW, shared_by_stages


@flow(
    name="retrain",
    flow_run_name="{reason}",
    retries=0,
    persist_result=False,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
def retrain(
    reason: str = "asked for by hand",
    recipe: str | None = None,
    data_revision: str | None = None,
    update: bool = False,
    force_from: str | None = None,
    promote: bool = True,
    jobs: Annotated[int, Field(ge=1)] = 1,
) -> State:
    """Runs what changed, in the project that the current folder is in, and promotes the best model if it is better.

    Args:
        reason: why it runs, for people; the run's name.
        recipe: a recipe, from which `params.yaml` is written first, as `transferline use` does it.
        data_revision: a Git revision, whose `.dvc` file says which raw data to train on; as a rule the workspace's.
        update: bring the present state of an import's source first (`dvc update`).
        force_from: a stage that runs even if nothing changed, with all that depends on it.
        promote: whether the selected model may become the champion.
        jobs: how many stages of different candidates may run at the same time.

    Returns:
        A completed state with `stages`, the seconds of each stage that ran, and `decision`, the result of the promotion
        or None; cancelled where another training is at work; else a failed one. The message is for the user.
    """
    quiet_failures()
    sign()
    try:
        root = environment.enter_project()
        with held(root, f"the flow retrain ({reason})"):
            _prepare(root, recipe, data_revision, update)
            steps = pipeline.plan(root, force_from)
            _announce(steps)
            with ExitStack() as stack:
                if steps:
                    stack.enter_context(shared_by_stages(DVC))
                    stack.enter_context(shared_by_stages(TENSORFLOW))
                seconds = run_steps(steps, jobs)
                decision = promote_selected(root, return_state=True) if promote else None
    except LockHeldError as error:
        return Cancelled(message=str(error))
    except TransferlineError as error:
        return Failed(message=str(error))
    if decision and not decision.is_completed():
        return Failed(message=decision.message)
    summary = {"stages": seconds, "decision": decision.result() if decision else None}
    return Completed(message=outcome(summary), data=summary)


def main(server: Callable[[], str] | None = None, **parameters: Any) -> int:
    """Runs the flow, prints what came out and where to look.

    Args:
        server: of `connected`.
        parameters: of the flow.

    Returns:
        The exit status: 1 if anything failed, after one message on standard error.
    """
    try:
        with connected(server):
            state = retrain(**parameters, return_state=True)
        failure = None if state.is_completed() else state.message
    except RuntimeError as error:  # Prefect's API cannot be reached, or its embedded server does not start
        failure = f"{error}: start that server, or unset PREFECT_API_URL" if PREFECT_API_URL.value() else str(error)
    if failure is not None:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    print(closing(Path.cwd(), state.result()))
    return 0


def _prepare(root: Path, recipe: str | None, data_revision: str | None, update: bool) -> None:
    """Puts params and raw data in place, as far as no stage does; what was changed by hand becomes a version."""
    params = use(Path(recipe), root, force=False) if recipe else complete_params(root)
    if data_revision:
        take_revision(root, params.data.dataset, data_revision)
    if update:
        refuse_edited_import(root, params.data.dataset)
        update_import(root, params.data.dataset)
    remove_other_candidates(root, params)
    list_source(root, params.data.dataset)
    check_at_hand(params.data.dataset, root)
    if changes := version_by_hand(root, params.data.dataset):
        get_run_logger().info(changes)


def _announce(steps: dict[str, pipeline.Step]) -> None:
    logger = get_run_logger()
    for name, step in steps.items():
        logger.info("to do: %s (%s)", name, "; ".join(step.reasons))
