"""The task that runs a stage: its message after a failure. No process outlives the task."""

import subprocess
import sys
import time

import psutil
import pytest

from transferline.tasks.stage import End, failure_message, stream


def test_the_message_of_a_failed_stage() -> None:
    output = [
        "Running stage 'validate':",
        "2 of 9 images",
        "error: data/raw/a: no images; add some",
        "  b.txt: not an image",
        "",
        "ERROR: failed to reproduce 'validate': failed to run: transferline stage validate, exited with 1",
    ]
    failed = End(255, 10**9)
    assert failure_message("stage validate", output, failed) == (
        "stage validate failed: data/raw/a: no images; add some\n  b.txt: not an image"
    )
    output = ["Traceback", "ValueError: 3", "ERROR: failed to reproduce 'validate': x"]
    assert failure_message("stage validate", output, failed) == "stage validate failed: Traceback\nValueError: 3"
    output = ["OSError: [Errno 28] No space left on device: '/x/dvc.lock'", "  in write", "ERROR: unexpected error"]
    assert failure_message("stage validate", output, failed) == (
        "stage validate failed: no space left on device: '/x/dvc.lock'; free some space, then run this again"
    )


@pytest.mark.parametrize("status", [137, -9])
def test_the_message_of_a_killed_stage(status: int) -> None:
    output = [f"ERROR: failed to reproduce 'train': failed to run: transferline stage train, exited with {status}"]
    message = failure_message("stage train", output, End(255, 3 * 10**9))
    assert message.startswith("stage train failed: the system killed it, probably because memory ran out; ")
    assert "Its peak memory was 3.0 GB of this machine's " in message
    assert "killed" in failure_message("promotion", ["loading"], End(137, 1))
    assert "ended it by SIGSEGV" in failure_message("promotion", [], End(139, 1))


@pytest.mark.slow
def test_the_peak_memory_is_that_of_the_largest_process() -> None:
    """In a small process: what Linux reports of a child is at least the memory of the process that started it."""
    large = "import os; x = b'1' * 700_000_000; os.kill(os.getpid(), 9)"
    words = [
        sys.executable,
        "-c",
        f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {large!r}]) != -9)",
    ]
    script = f"from transferline.tasks.stage import stream; end = stream({words}, print); print(end.status, end.peak)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    status, peak = map(int, done.stdout.split())
    assert status == 0 and 0.7e9 < peak < 1.2e9


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
