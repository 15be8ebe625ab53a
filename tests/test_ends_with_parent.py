"""A command ends when the process that started it ends. Real processes and signals."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from transferline.ends_with_parent import command_line

# writes its id and that of a process that it starts into the current folder, then waits
FAMILY = """
import os, signal, subprocess, sys, time
from pathlib import Path

def end(number, frame):
    Path("clean").touch()
    sys.exit(3)

signal.signal(signal.SIGINT, {handler})
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path("ids.part").write_text(f"{{os.getpid()}} {{child.pid}}")
Path("ids.part").rename("ids")
time.sleep(600)
"""
PARENT = """
import subprocess, sys
from transferline.ends_with_parent import command_line

subprocess.Popen(command_line(sys.argv[1:]), stdin=subprocess.PIPE).wait()
"""


def family(handler: str = "end") -> list[str]:
    return [sys.executable, "-c", FAMILY.format(handler=handler)]


def processes(folder: Path) -> list[psutil.Process]:
    """Those of `FAMILY`, once both are there."""
    while not (folder / "ids").exists():
        time.sleep(0.05)
    return [psutil.Process(int(number)) for number in (folder / "ids").read_text().split()]


def require_ended(found: list[psutil.Process]) -> None:
    assert not [process for process in psutil.wait_procs(found, timeout=20)[1] if process.status() != "zombie"]


@pytest.mark.parametrize(("code", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_the_exit_status_is_that_of_the_command(code: str, status: int) -> None:
    done = subprocess.Popen(command_line(["sh", "-c", code]), stdin=subprocess.PIPE)
    assert done.wait(60) == status


def test_a_killed_parent_takes_the_command_and_its_children_along(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, *family()], cwd=tmp_path) as parent:
        found = [*psutil.Process(parent.pid).children(), *processes(tmp_path)]
        parent.kill()
    require_ended(found)
    assert (tmp_path / "clean").exists(), "SIGINT comes first"


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_cleanly(tmp_path: Path, sign: signal.Signals) -> None:
    with subprocess.Popen(command_line(family()), stdin=subprocess.PIPE, cwd=tmp_path) as process:
        found = processes(tmp_path)
        process.send_signal(sign)
        assert process.wait(60) == 3
    require_ended(found)
    assert (tmp_path / "clean").exists()


def test_a_command_that_ignores_sigint_is_killed(tmp_path: Path) -> None:
    code = "from transferline import ends_with_parent as module; module.SECONDS_TO_END = 0.5; import sys; sys.exit("
    words = [sys.executable, "-c", f"{code}module.run(sys.argv[1:]))", *family("signal.SIG_IGN")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, cwd=tmp_path) as process:
        found = processes(tmp_path)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 128 + signal.SIGKILL
    require_ended(found)


def test_it_ends_the_command_also_where_a_script_started_it_in_the_background(tmp_path: Path) -> None:
    def ignore() -> None:  # as a shell without job control does for `command &`
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    code = "import time; time.sleep(600)"  # takes SIGINT as it inherits it
    process = subprocess.Popen(
        command_line([sys.executable, "-c", code]), stdin=subprocess.PIPE, cwd=tmp_path, preexec_fn=ignore
    )
    while not (found := psutil.Process(process.pid).children()) or code not in found[0].cmdline():
        time.sleep(0.05)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(20) in (1, 128 + signal.SIGINT), "by SIGINT, not only after half a minute by SIGKILL"


def test_a_child_that_is_left_ends_with_the_command(tmp_path: Path) -> None:
    words = command_line(["sh", "-c", "sleep 600 & echo $!"])
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        left = int(process.stdout.readline())
        assert process.wait(60) == 0
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == "zombie"


def test_it_imports_neither_prefect_nor_tensorflow() -> None:
    code = "import sys, transferline.ends_with_parent; print(*sys.modules)"
    found = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"prefect", "tensorflow", "dvc", "mlflow", "psutil"} & set(found)
