"""One DVC stage as a Prefect task."""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed, State

from transferline.ends_with_parent import started
from transferline.stage_seconds import keep_seconds
from transferline.tasks.pages import EpochProgress, show_stage

# Lines that DVC repeats for each stage, also for stages that it skips.
CHATTER = (
    "didn't change, skipping",
    "Generating lock file",
    "Updating lock file",
    "To track the changes with git",
    "git add ",
    "To enable auto staging",
    "dvc config core.autostage",
    "Use `dvc push`",
    "' is empty.",
)
STAGE_LINE = re.compile(r"(Running s|S)tage '([^']+)'")

_running: set[subprocess.Popen[Any]] = set()


def _task_run_name() -> str:
    """Returns the stage's name without its file: `fetch@digits` for `data/dvc.yaml:fetch@digits`."""
    return str(runtime.task_run.parameters["name"]).rpartition(":")[2]


@task(task_run_name=_task_run_name, cache_policy=NO_CACHE, retries=0, persist_result=False)
def run_stage(name: str, force: bool = False, companions: list[str] | None = None) -> float | State:
    """Runs one stage of the project in the current folder. Its output is written to the task's log.

    It runs `dvc repro --single-item` in a new process. All dependencies of the stage must be up to date already.

    Args:
        name: the stage, as `dvc repro` names it. Its command does not run if nothing changed.
        force: whether to run the command even if nothing changed.
        companions: see `transferline.pipeline.Step`. The log does not contain their output.

    Returns:
        The seconds that the stage took, or a failed state with the stage's own error message.
    """
    start = time.monotonic()
    logger, progress = get_run_logger(), EpochProgress()
    lines: list[str] = []
    current = name  # the stage that prints the current line

    def keep(line: str) -> None:
        nonlocal current
        lines.append(line)
        if stage := STAGE_LINE.match(line):
            current = stage[2]
        if line.strip() and current == name and not any(words in line for words in CHATTER):
            logger.info(line)
            progress.hear(line)

    options = ["--single-item", *(["--force"] if force else [])]
    stages = [*(companions or []), name]
    status = stream([sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *options, *stages], keep)
    show_stage(name, Path.cwd())
    if status:
        return Failed(message=failure_message(name, lines))
    seconds = round(time.monotonic() - start, 1)
    if f"Running stage '{name}':" in lines:  # else DVC skipped it, or took its results from the cache
        keep_seconds(Path.cwd(), name, seconds)
    return seconds


def failure_message(name: str, lines: list[str]) -> str:
    """Returns the message for the user about a failed stage."""
    return f"stage {name} failed: {own_words(lines)}"


def own_words(lines: list[str]) -> str:
    """Returns the error message of a failed command from its output: its text after `error: `, or its last lines."""
    own = [line for line in lines if line.strip() and not line.startswith("ERROR: failed to reproduce")]
    starts = [number for number, line in enumerate(own) if line.startswith("error: ")]
    message = own[starts[-1] :] if starts else own[-3:] or lines
    return "\n".join(message).removeprefix("error: ")


def stream(command: list[str], receive: Callable[[str], None]) -> int:
    """Runs a command and passes each line of its output to `receive` at once.

    If this process ends, the command and its children end too.

    Returns:
        The command's exit status.
    """
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    with started(command, **output) as process:
        assert process.stdout is not None
        _running.add(process)
        try:
            for line in process.stdout:
                receive(line.rstrip())
            return process.wait()
        finally:
            _running.discard(process)


def end_stages() -> None:
    """Ends the stages that other threads run, and waits until they have ended."""
    for process in list(_running):
        process.terminate()
        process.wait()
