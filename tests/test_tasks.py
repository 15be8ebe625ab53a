"""The task that runs a stage: its message after a failure. No process outlives the task."""

import sys
import time

import psutil
import pytest

from transferline.tasks.stage import failure_message, stream


def test_the_message_of_a_failed_stage() -> None:
    output = [
        "Running stage 'validate':",
        "2 of 9 images",
        "error: data/raw/a: no images; add some",
        "  b.txt: not an image",
        "",
        "ERROR: failed to reproduce 'validate': failed to run: transferline stage validate, exited with 1",
    ]
    assert failure_message("validate", output) == (
        "stage validate failed: data/raw/a: no images; add some\n  b.txt: not an image"
    )
    assert failure_message("validate", ["Traceback", "ValueError: 3", "ERROR: failed to reproduce 'validate': x"]) == (
        "stage validate failed: Traceback\nValueError: 3"
    )


def test_what_a_stage_started_ends_with_it() -> None:
    pids: list[int] = []

    def interrupt(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    child = "import subprocess; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); p.wait()"
    with pytest.raises(KeyboardInterrupt):
        stream([sys.executable, "-c", child], interrupt)
    for _ in range(100):
        if not psutil.pid_exists(pids[0]) or psutil.Process(pids[0]).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.1)
    pytest.fail("the stage's own child is still there")
