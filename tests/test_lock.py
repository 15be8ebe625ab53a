"""One training at a time. The error names the process that holds the lock. Processes that it starts may enter, and a
killed holder blocks nobody."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from transferline.errors import TransferlineError
from transferline.processes import Identity, own_identity
from transferline.training_lock import FILE, VARIABLE, LockHeldError, clear, held

HOLD = """
import subprocess, sys, time
from pathlib import Path
from transferline.training_lock import held

with held(Path.cwd(), "the flow retrain (weekly)"):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    print(child.pid, flush=True)
    time.sleep(600)
"""


@contextmanager
def other_holder(root: Path) -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """A process that holds the lock, and its child in another process group."""
    with subprocess.Popen([sys.executable, "-c", HOLD], cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        try:
            yield process, child
        finally:
            process.kill()
            if child.is_running():
                child.kill()


def test_the_holder_is_named(tmp_path: Path) -> None:
    with other_holder(tmp_path) as (process, _):
        message = rf"the flow retrain \(weekly\) \(pid {process.pid} on .*, since 20.*\) is at work in this project"
        with pytest.raises(LockHeldError, match=message), held(tmp_path, "another"):
            pytest.fail("both hold it")
        with pytest.raises(LockHeldError, match=message):
            clear(tmp_path)


def test_what_the_holder_starts_is_let_in(tmp_path: Path) -> None:
    again = (
        "from pathlib import Path; from transferline.training_lock import held\nwith held(Path.cwd(), 'x'): print('in')"
    )
    with held(tmp_path, "outer"):
        assert subprocess.check_output([sys.executable, "-c", again], cwd=tmp_path, text=True) == "in\n"
        others = {name: value for name, value in os.environ.items() if name != VARIABLE}
        done = subprocess.run([sys.executable, "-c", again], cwd=tmp_path, env=others, capture_output=True, text=True)
        assert done.returncode and "outer (pid" in done.stderr
    assert VARIABLE not in os.environ
    with held(tmp_path, "next"):
        assert json.loads((tmp_path / FILE).read_text())["command"] == "next"
    assert clear(tmp_path) == []


def test_a_killed_holder_blocks_nobody_and_its_children_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with other_holder(tmp_path) as (process, child):
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert child.is_running()
        token = json.loads((tmp_path / FILE).read_text())["token"]
        monkeypatch.setenv(VARIABLE, token)
        with pytest.raises(TransferlineError, match="was killed"), held(tmp_path, "an orphan"):
            pytest.fail("it must not go on")
        monkeypatch.delenv(VARIABLE)
        assert clear(tmp_path)[0].startswith("freed the lock of the flow retrain (weekly) (pid ")
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
        with held(tmp_path, "next"):
            pass


def test_a_number_that_is_used_again_is_another_process() -> None:
    own = own_identity()
    assert not own.is_dead() and Identity.of(own.tags()) == own
    assert Identity(own.host, own.pid, own.started - 60).is_dead()
    assert not Identity("elsewhere", own.pid, own.started - 60).is_dead()
    assert Identity.of({"process_host": own.host}) is None


def test_a_holder_that_has_not_yet_written_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with other_holder(tmp_path):
        (tmp_path / FILE).write_text("")
        with pytest.raises(LockHeldError, match="a process that has just started"), held(tmp_path, "x", seconds=0.1):
            pytest.fail("both hold it")


def test_a_retraining_waits_for_a_short_command(tmp_path: Path) -> None:
    (tmp_path / FILE).parent.mkdir()
    lock = FileLock(tmp_path / FILE, thread_local=False)
    lock.acquire()
    with pytest.raises(LockHeldError), held(tmp_path, "x"):
        pytest.fail("both hold it")
    release = threading.Timer(0.3, lock.release)
    release.start()
    with held(tmp_path, "x", seconds=30):
        release.join()
