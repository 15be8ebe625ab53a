"""Each workaround does its job, and the bug behind it still exists."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small_line import command, make_line
from transferline.workarounds import free_dvc_locks


def test_locks_of_dead_processes_in_dvc(tmp_path: Path) -> None:
    file = tmp_path / ".dvc/tmp/rwlock"
    assert free_dvc_locks(tmp_path) == []
    words = [sys.executable, "-c", "import time; time.sleep(600)", "repro", "x"]
    with subprocess.Popen(words) as at_work, subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
        live, gone, other = ({"pid": pid, "cmd": "dvc repro x"} for pid in (at_work.pid, dead.pid, os.getpid()))
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"read": {"a": [live, gone], "b": [gone]}, "write": {"c": other, "d": live}}))
        freed = free_dvc_locks(tmp_path)
        at_work.kill()
    assert freed == [
        f"freed what `dvc repro x` (pid {pid}), which was killed, had locked in DVC" for pid in (dead.pid, os.getpid())
    ]
    assert json.loads(file.read_text()) == {"read": {"a": [live]}, "write": {"d": live}}


@pytest.mark.slow
def test_dvc_still_takes_a_number_that_is_used_again_for_the_killed_process(tmp_path: Path) -> None:
    line, file = make_line(tmp_path / "line"), tmp_path / "line/.dvc/tmp/rwlock"
    killed = {"pid": os.getpid(), "cmd": "dvc repro validate"}  # the number is that of this process by now
    file.write_text(json.dumps({"read": {}, "write": {str(line / "manifest"): killed}}))
    with pytest.raises(AssertionError, match="is busy, it is being blocked by"):
        command("dvc", "repro", "validate", cwd=line)
    assert len(free_dvc_locks(line)) == 1
    command("dvc", "repro", "validate", cwd=line)
