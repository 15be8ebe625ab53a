"""Kills of `transferline run` at a random moment of each stage leave a project that the next run finishes as usual."""

import os
import random
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.crash_project import (
    STAGES,
    TRANSFERLINE,
    crash_project,
    environ,
    results,
    run_to_the_end,
    seconds_of,
    transferline,
    undisturbed,
)
from tests.small_line import started, wait_for

pytestmark = pytest.mark.thorough

SEED = 26
VICTIMS = ("group", "main", "stage")
SECONDS_TO_START = 10.0


def stage_process(main: psutil.Process, stage: str) -> psutil.Process | None:
    """The process of a stage, or of the promotion, below the main process."""
    for child in main.children(recursive=True):
        try:
            line = child.cmdline()
        except psutil.NoSuchProcess:
            continue
        if line[2:4] == ["stage", stage] or (stage == "promote" and line[1:4] == ["-m", "transferline", "promote"]):
            return child
    return None


def kill_in(root: Path, log: Path, stage: str, victim: str, seconds: float) -> None:
    """Runs from `stage` on, waits until it has run for so many seconds, and kills the victim.

    If the stage has already ended, the main process is killed instead of it.
    """
    first = "select" if stage == "promote" else stage  # promotion also runs if it was decided before
    forced = [] if stage == "start" else ["--force-from", first]
    with started([TRANSFERLINE, "run", *forced], log, cwd=root, env=environ()) as process:
        main, found = psutil.Process(process.pid), None
        if stage != "start":
            found = wait_for(stage, 180, [log], lambda: process.poll() is not None or stage_process(main, stage))
            assert isinstance(found, psutil.Process), log.read_text()[-3000:]
        time.sleep(seconds)
        if victim == "stage" and found is not None and found.is_running():
            found.kill()
            process.wait(180)
        elif victim == "group":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait(60)


@pytest.mark.timeout(3600)
def test_thirty_kills_change_no_result(tmp_path: Path) -> None:
    expected = results(undisturbed())
    chance = random.Random(SEED)
    root = crash_project(tmp_path / "killed")
    moments = [("start", victim, SECONDS_TO_START) for victim in ("group", "main", "group")]
    moments += [(stage, victim, 0.5 * seconds_of(stage)) for stage in STAGES for victim in VICTIMS]
    for number, (stage, victim, longest) in enumerate(moments):
        seconds = chance.uniform(0, longest)
        print(f"kill {number}: {victim} in {stage} after {seconds:.1f} s", flush=True)
        kill_in(root, tmp_path / f"{number}.txt", stage, victim, seconds)
    run_to_the_end(root)
    assert results(root) == expected
    said = transferline(root, "reconcile")
    assert said.stdout.strip().endswith("there was nothing to clean up"), said.stdout + said.stderr
