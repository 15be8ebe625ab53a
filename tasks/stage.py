"""One DVC stage as a Prefect task."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from prefect import get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed, State

from transferline.datasets.dvc_lock_file import keep_copy
from transferline.ends_with_parent import started
from transferline.errors import system_cause
from transferline.stage_seconds import keep_seconds
from transferline.tasks.pages import EpochProgress, show_stage
from transferline.tasks.unfinished_tasks import add_unfinished, remove_completed

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

# `validate` reads the images on which champions were tested, which are no DVC dependency: see `tested_images.py`.
NO_RUN_CACHE = ["--no-run-cache"]
EXIT_STATUS = re.compile(r"^ERROR: failed to reproduce .*, exited with (-?\d+)$")
GB = 1e9

_running: set[subprocess.Popen[Any]] = set()


@dataclass(frozen=True)
class End:
    """How a command ended.

    Attributes:
        status: its exit status, 128 + N if signal N ended it.
        peak: the largest memory of one of its processes, in bytes.
    """

    status: int
    peak: int


def _task_run_name() -> str:
    """Returns the stage's name without its file: `fetch@digits` for `data/dvc.yaml:fetch@digits`."""
    return str(runtime.task_run.parameters["name"]).rpartition(":")[2]


@task(
    task_run_name=_task_run_name,
    cache_policy=NO_CACHE,
    retries=0,
    persist_result=False,
    on_running=[add_unfinished],
    on_completion=[remove_completed],
)
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

    options = ["--single-item", *(["--force"] if force else []), *(NO_RUN_CACHE if name == "validate" else [])]
    stages = [*(companions or []), name]
    end = stream([sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *options, *stages], keep)
    show_stage(name, Path.cwd())
    if end.status:
        return Failed(message=failure_message(f"stage {name}", lines, end))
    keep_copy(Path.cwd())
    seconds = round(time.monotonic() - start, 1)
    if f"Running stage '{name}':" in lines:  # else DVC skipped it, or took its results from the cache
        keep_seconds(Path.cwd(), name, seconds)
    return seconds


def failure_message(what: str, lines: list[str], end: End) -> str:
    """Returns the message for the user about a failed stage or promotion: what the system did, or its own message.

    Args:
        what: what failed, for the message.
        lines: the output of its command.
        end: how the command ended.
    """
    codes = [int(found[1]) for line in lines if (found := EXIT_STATUS.search(line))] or [end.status]
    number = -codes[-1] if codes[-1] < 0 else codes[-1] - 128
    if number not in set(signal.Signals):
        return f"{what} failed: {_own_words(lines)}"
    named = f"the system ended it by {signal.Signals(number).name}"
    if number == signal.SIGKILL:
        named = "the system killed it, probably because memory ran out; use a smaller batch_size or end other programs"
    total = psutil.virtual_memory().total
    return f"{what} failed: {named}. Its peak memory was {end.peak / GB:.1f} GB of this machine's {total / GB:.1f} GB"


def _own_words(lines: list[str]) -> str:
    """Returns the text after `error: `, or else the cause that lies in the system, or else the last lines."""
    own = [line for line in lines if line.strip() and not line.startswith("ERROR: failed to reproduce")]
    starts = [number for number, line in enumerate(own) if line.startswith("error: ")]
    if not starts and (cause := system_cause("\n".join(lines))):
        return cause
    message = own[starts[-1] :] if starts else own[-3:] or lines
    return "\n".join(message).removeprefix("error: ")


def stream(command: list[str], receive: Callable[[str], None]) -> End:
    """Runs a command and passes each line of its output to `receive` at once.

    If this process ends, the command and its children end too.

    Returns:
        The command's exit status and peak memory.
    """
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    with started(command, **output) as process:
        assert process.stdout is not None
        _running.add(process)
        try:
            for line in process.stdout:
                receive(line.rstrip())
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            return End(process.returncode, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
        finally:
            _running.discard(process)


def end_stages() -> None:
    """Ends the stages that other threads run, and waits until they have ended."""
    for process in list(_running):
        process.terminate()
        process.wait()
