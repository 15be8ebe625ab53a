"""The retrain flow: the stages that DVC would run, one task each, then promotion."""

import sys
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.settings import PREFECT_API_URL
from prefect.states import Failed, State

from flows.closing import closing
from tasks.log import quiet_failures
from tasks.promotion import promote_selected
from tasks.stage import run_stage
from transferline import environment, pipeline
from transferline.errors import TransferlineError
from transferline.params import load_params
from transferline.paths import DATA_DOCS, LEADERBOARD


@flow(name="retrain", retries=0, persist_result=False)
def retrain(promote: bool = True) -> dict[str, Any] | State:
    """Runs what changed, in the project that the current folder is in, and promotes the best model if it is better.

    Args:
        promote: whether the selected model may become the champion.

    Returns:
        `stages`, the seconds of each stage that ran, and `decision`, the result of the promotion or None; or a failed
        state whose message is for the user.
    """
    quiet_failures()
    try:
        root = environment.enter_project()
        load_params(root / "params.yaml")
        changed = pipeline.changed(root)
    except TransferlineError as error:
        return Failed(message=str(error))
    _announce(changed)
    seconds: dict[str, float] = {}
    for name in changed:
        state = run_stage(name, return_state=True)
        if not state.is_completed():
            return Failed(message=state.message)
        seconds[name] = state.result()
    if seconds:
        _publish(root)
    decision = promote_selected(root, return_state=True) if promote else None
    if decision and not decision.is_completed():
        return Failed(message=decision.message)
    return {"stages": seconds, "decision": decision.result() if decision else None}


def main(promote: bool = True) -> int:
    """Runs the flow, prints what came out and where to look.

    Returns:
        The exit status: 1 if anything failed, after one message on standard error.
    """
    try:
        state = retrain(promote, return_state=True)
        failure = None if state.is_completed() else state.message
    except RuntimeError as error:  # Prefect's API cannot be reached, or its embedded server does not start
        failure = f"{error}: start that server, or unset PREFECT_API_URL" if PREFECT_API_URL.value() else str(error)
    if failure is not None:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    print(closing(Path.cwd(), state.result()))
    return 0


def _announce(changed: dict[str, list[str]]) -> None:
    logger = get_run_logger()
    if not changed:
        logger.info("everything is up to date")
    for name, reasons in changed.items():
        logger.info("to do: %s (%s)", name, "; ".join(reasons))


def _publish(root: Path) -> None:
    """Puts the leaderboard and the way to the validation report on the run's page, where these files exist."""
    if (root / LEADERBOARD).is_file():
        text = (root / LEADERBOARD).read_text(encoding="utf-8")
        create_markdown_artifact(text, key="leaderboard", description=str(LEADERBOARD))
    if (root / DATA_DOCS).is_file():
        create_link_artifact((root / DATA_DOCS).as_uri(), key="validation-report", description=str(DATA_DOCS))
