"""The warm parent, with real processes: what a stage command does in a child of it is what it does without."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT, run
from transferline import warm

# A stage that waits for TensorFlow's import, in a copy of the source, runs what the test says.
STAGE = '''"""Stage for tests."""
def run(params, *, code: str) -> None:
    exec(code)
'''
# What the flow does.
FLOW = """
import sys
from transferline.warm import shared_by_stages
with shared_by_stages():
    sys.stdin.read()
"""
BOTH = """
import sys
from transferline.warm import DVC, shared_by_stages
with shared_by_stages(DVC):
    with shared_by_stages():
        sys.stdin.readline()
    sys.stdin.read()
"""
PIDS = "import os; print(os.getpid(), os.getppid(), flush=True)"
TELL_PARENT = """
import functools, os
trained = run
@functools.wraps(trained)
def run(*params, **named):
    print("parent", os.getppid(), open(f"/proc/{os.getppid()}/cmdline").read())
    trained(*params, **named)
"""
SLEEP = f"{PIDS}; import time; time.sleep(100)"

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="there is a warm parent on Linux only"),
    pytest.mark.slow,
]


class Place:
    """A folder with params and source, and a process that owns the warm parent of the stage commands."""

    def __init__(self, folder: Path, *owner: str) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "params.yaml", folder)
        self.source = folder / "src" / "transferline" / "stages" / "train.py"
        self.source.write_text(STAGE)
        self.environ = os.environ | {"PYTHONPATH": str(folder / "src"), "PS1": "$ "}
        self.owner = subprocess.Popen(owner, bufsize=0, env=self.environ, stdin=subprocess.PIPE)
        self.address = Path(warm.address(self.owner.pid))
        self.environ[warm.OWNER] = str(self.owner.pid)

    def start(self, code: str, cwd: Path | None = None, **environ: str) -> subprocess.Popen[str]:
        # DVC runs commands in a shell, which changes the environment a little
        command = ["bash", "-c", 'exec transferline stage train --code "$0"', code]
        pipe = subprocess.PIPE
        environment = self.environ | environ
        return subprocess.Popen(
            command, cwd=cwd or self.folder, env=environment, stdout=pipe, stderr=pipe, text=True, bufsize=1
        )

    def stage(self, code: str, **environ: str) -> tuple[int, str, str]:
        process = self.start(code, **environ)
        return process.wait(), *process.communicate()

    def parent(self) -> psutil.Process:
        code, out, err = self.stage(PIDS)
        assert code == 0, err
        return psutil.Process(int(out.split()[1]))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("warm"), sys.executable, "-c", FLOW)
    wait_until(made.address.exists)
    yield made
    made.owner.communicate()
    assert made.owner.returncode == 0 and not made.address.exists()


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def pids_of(process: subprocess.Popen[str]) -> tuple[int, int]:
    assert process.stdout
    child, parent = process.stdout.readline().split()
    return int(child), int(parent)


def test_stage_commands_run_in_children_of_one_parent_with_one_thread(place: Place) -> None:
    parent = place.parent()
    assert "transferline.warm_parent" in parent.cmdline() and parent.pid == place.parent().pid
    # what is imported between two commands may start threads, which end at the next fork
    wait_until(lambda: place.parent().num_threads() == 1)
    wait_until(lambda: parent.children() == [])


def test_a_child_has_the_folder_the_input_and_the_environment_of_its_command(place: Place, tmp_path: Path) -> None:
    shutil.copy(place.folder / "params.yaml", tmp_path)
    code = "import os, sys; print(os.getcwd(), os.environ['DVC_STAGE'], sys.argv[3], file=sys.stderr)"
    process = place.start(code, cwd=tmp_path, DVC_STAGE="here")
    assert process.communicate()[1].split() == [str(tmp_path), "here", "--code"]


def test_edited_source_is_what_runs(place: Place) -> None:
    parent = place.parent()
    place.source.write_text(STAGE.replace("exec(code)", "exec(code); print('edited')"))
    try:
        _, out, _ = place.stage(PIDS)
    finally:
        place.source.write_text(STAGE)
    assert out.split()[1:] == [str(parent.pid), "edited"]


@pytest.mark.parametrize(
    "code",
    [
        "from transferline.errors import TransferlineError; print('so far'); raise TransferlineError('too few')",
        "raise RuntimeError('a bug')",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    ],
)
def test_failures_look_the_same(place: Place, code: str) -> None:
    status, out, err = place.stage(code)
    cold, cold_out, cold_err = place.stage(code, TRANSFERLINE_WARM="0")
    shell_status = 128 - cold if cold < 0 else cold
    assert (status, out, err.splitlines()[-1:]) == (shell_status, cold_out, cold_err.splitlines()[-1:])


def test_ctrl_c_ends_the_child_as_it_would_end_the_command(place: Place) -> None:
    process = place.start(SLEEP)
    child, _ = pids_of(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert not psutil.pid_exists(child)


def test_a_killed_command_takes_its_child_with_it(place: Place) -> None:
    process = place.start(SLEEP)
    child, _ = pids_of(process)
    process.kill()
    process.wait()
    wait_until(lambda: not psutil.pid_exists(child))


def test_commands_are_served_at_the_same_time(place: Place, tmp_path: Path) -> None:
    shutil.copy(place.folder / "params.yaml", tmp_path)
    processes = [place.start(SLEEP), place.start(SLEEP, cwd=tmp_path)]
    pids = [pids_of(process) for process in processes]
    assert pids[0][0] != pids[1][0] and pids[0][1] == pids[1][1]
    for process in processes:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "TRANSFERLINE_WARM"])
def test_another_environment_or_the_switch_runs_without_the_parent(place: Place, name: str) -> None:
    parent = place.parent()
    process = place.start(PIDS, **{name: "0" if name == "TRANSFERLINE_WARM" else "7"})
    out, _ = process.communicate()
    assert [int(word) for word in out.split()] == [process.pid, os.getpid()] and parent.is_running()


def test_a_dead_socket_is_passed_by_and_a_killed_owner_ends_its_parent(tmp_path: Path) -> None:
    place = Place(tmp_path, "sleep", "1000")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(str(place.address))
    code, out, err = place.stage(PIDS)
    assert code == 0 and int(out.split()[1]) == os.getpid(), err
    place.address.unlink()

    parent = place.parent()
    process = place.start(SLEEP)
    child, _ = pids_of(process)
    place.owner.kill()
    place.owner.wait()
    wait_until(lambda: not parent.is_running() and not psutil.pid_exists(child) and not place.address.exists())
    assert process.wait(60) == 1 and "the warm parent of this stage ended before it" in process.communicate()[1]


def test_the_parent_with_tensorflow_begins_as_a_child_of_the_one_with_dvc(tmp_path: Path) -> None:
    place = Place(tmp_path, sys.executable, "-c", BOTH)
    wait_until(place.address.exists)
    parent = place.parent()
    other = parent.parent()
    assert other is not None and other.cmdline()[-3:] == ["transferline.warm_parent", str(place.owner.pid), warm.DVC]
    code, out, err = place.stage("import sys; print('tensorflow' in sys.modules, 'dvc' in sys.modules)")
    assert (code, out) == (0, "True True\n"), err
    place.owner.stdin.write(b"\n")
    wait_until(lambda: not parent.is_running() and not place.address.exists())
    assert other.is_running()
    place.owner.communicate()
    wait_until(lambda: not other.is_running())


def test_dvc_repro_trains_the_same_weights_with_and_without(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(project / "src"))
    stage = project / "src" / "transferline" / "stages" / "train_head.py"
    stage.write_text(f"{stage.read_text()}{TELL_PARENT}")
    weights, parents = [], []
    for switch, options in (("1", []), ("0", ["--force", "--single-item"])):
        monkeypatch.setenv(warm.SWITCH, switch)
        done = run("dvc", "repro", *options, "train_head@small", cwd=project)
        parents.append(done.stdout.partition("parent ")[2].splitlines()[0])
        with zipfile.ZipFile(project / "models" / "small" / "head" / "model.keras") as file:
            weights.append(file.read("model.weights.h5"))
    assert weights[0] == weights[1]
    assert "transferline.warm_parent" in parents[0] and "transferline.warm_parent" not in parents[1]
    wait_until(lambda: not psutil.pid_exists(int(parents[0].split()[0])))
