"""The retrain flow: runs the stages that DVC would run, each as a task. Then it decides about promotion."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, get_run_logger, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.states import Cancelled, Completed, Failed, State
from pydantic import Field

from transferline import environment, pipeline
from transferline.errors import TransferlineError, cause_first, system_cause
from transferline.flows.flow_run import connected, name_run, sign, tell_of_failure
from transferline.flows.opening import Opening, open_run
from transferline.flows.preparation import prepare
from transferline.flows.reconcile import close_flow_runs
from transferline.flows.summary import closing, outcome
from transferline.repairs import repair_files
from transferline.tasks.jobs import run_steps
from transferline.tasks.log import quiet_states
from transferline.tasks.promotion import promote_selected
from transferline.training_lock import LockHeldError, held

LOCK_HELD = "Lock held"  # the name of the state of a run that was cancelled because another command is at work
PATIENCE = 60  # seconds for which a retraining waits for a short command, such as `transferline report`


def _first_name() -> str:
    """Returns the name of a run before the changes are known."""
    return str(runtime.flow_run.parameters.get("reason") or "retrain")


@flow(
    name="retrain",
    flow_run_name=_first_name,
    retries=0,
    persist_result=False,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
def retrain(
    reason: str | None = None,
    recipe: str | None = None,
    data_revision: str | None = None,
    update: bool = False,
    force_from: str | None = None,
    promote: bool = True,
    jobs: Annotated[int, Field(ge=1)] = 1,
) -> State:
    """Runs the stages that DVC would run, and promotes the selected model if it passes every gate.

    The project is the one that contains the current folder.

    Args:
        reason: why the flow runs, for people. The name of the run contains the reason and what changed.
        recipe: first write `params.yaml` from this recipe, as `transferline use` does.
        data_revision: a Git revision. Its `.dvc` file names the version of the raw data to train on. With None, it
            trains on the data in the workspace.
        update: first update an imported dataset from its source (`dvc update`).
        force_from: a stage that runs even if nothing changed, with all stages that depend on it.
        promote: whether the selected model may become the champion.
        jobs: how many stages of different candidates may run at the same time.

    Returns:
        A completed state with `stages` (the seconds of each stage that ran), `seconds` (of the whole flow) and
        `decision` (the result of the promotion; None without promotion). If another training is running, the state is
        cancelled and called `LOCK_HELD`. After an error it is failed. Its message is for the user.
    """
    quiet_states()
    sign()
    start = time.monotonic()
    try:
        root = environment.enter_project()
        with held(root, f"the flow retrain{f' ({reason})' * bool(reason)}", PATIENCE):
            for line in [*close_flow_runs(root), *repair_files(root)]:
                get_run_logger().warning(line)
            params = prepare(root, recipe, data_revision, update, get_run_logger().info)
            steps = pipeline.plan(root, force_from)
            _announce(reason, open_run(root, params, steps, promote))
            seconds = run_steps(steps, jobs)
            decision = promote_selected(root, return_state=True) if promote else None
    except LockHeldError as error:
        return Cancelled(name=LOCK_HELD, message=str(error))
    except TransferlineError as error:
        return Failed(message=str(error))
    except Exception as error:
        if cause := system_cause(str(error)):
            return Failed(message=cause)
        raise
    if decision and not decision.is_completed():
        return Failed(message=decision.message)
    summary = {
        "stages": seconds,
        "seconds": round(time.monotonic() - start, 1),
        "decision": decision.result() if decision else None,
    }
    return Completed(message=outcome(summary), data=summary)


def main(server: Callable[[], str] | None = None, **parameters: Any) -> int:
    """Runs the flow. Prints the result and the address of the page that shows more.

    Args:
        server: see `connected`.
        parameters: the arguments of the flow.

    Returns:
        The exit status: 1 if anything failed, after one message on standard error.
    """
    try:
        with connected(server):
            state = retrain(**parameters, return_state=True)
        failure = None if state.is_completed() else state.message
    except RuntimeError as error:  # Prefect's server has ended during the run
        failure = str(error)
    if failure is not None:
        print(f"error: {cause_first(failure)}", file=sys.stderr)
        return 1
    print(closing(Path.cwd(), state.result()))
    return 0


def _announce(reason: str | None, opening: Opening) -> None:
    """Names the run by its reason and what changed, and shows the plan on its page."""
    changes = f"{len(opening.stages)} stages to run: {opening.changes}" if opening.stages else "no stage must run"
    get_run_logger().info(changes)
    name_run(": ".join(filter(None, [reason, opening.changes])))
    create_markdown_artifact(opening.markdown(), key="plan", description="the stages that run, and why")
