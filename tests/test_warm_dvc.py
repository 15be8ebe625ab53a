"""`transferline.warm_dvc` beside `dvc`: the same lock file, with less reading and writing; and in a warm parent."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from tests.conftest import run
from transferline import warm

TEXTS = {"plain": "a", "none": None, "yes": "yes", "number": "1e3", "hash": "12345678", "quotes": "it's: #1", "ü": "µ"}
DVC_FLOW = """
import os, subprocess, sys
from transferline.warm import DVC, shared_by_stages
with shared_by_stages(DVC):
    print(os.getpid(), flush=True)
    sys.exit(subprocess.run([sys.executable, "-m", "transferline.warm_dvc", "repro"]).returncode)
"""
LONG = (
    "python -c \"print('a word and another one, ' * 3)\" && "
    "mkdir -p one && echo 1 > one/a && echo one > one/b && echo one >> source/log"
)

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="there is a warm parent on Linux only")


def test_writes_the_lock_file_that_dvc_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(warm.SWITCH, "0")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    stages = {
        name: {"cmd": LONG.replace("one", name), "deps": ["source"], "params": ["texts"], "outs": [name]}
        for name in ("one", "two", "three")
    }
    (ours / "source").mkdir()
    (ours / "params.yaml").write_text(yaml.safe_dump({"texts": TEXTS | {"list": [1.5, TEXTS, []]}}))
    (ours / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    run("git", "init", "-q", cwd=ours)
    run("dvc", "init", "-q", cwd=ours)
    shutil.copytree(ours, theirs)
    for content in ("first", "second"):
        for root, module in ((ours, "transferline.warm_dvc"), (theirs, "dvc")):
            (root / "source" / "a").write_text(content)
            for name in stages:
                run(sys.executable, "-m", module, "repro", "--single-item", name, cwd=root)
    lock = (ours / "dvc.lock").read_text(encoding="utf-8")
    assert lock == (theirs / "dvc.lock").read_text(encoding="utf-8")
    assert set(yaml.safe_load(lock)["stages"]) == set(stages)
    # what the command itself did to what it depends on is seen
    assert len({stage["deps"][0]["md5"] for stage in yaml.safe_load(lock)["stages"].values()}) == len(stages)
    assert max(map(len, lock.splitlines())) < len(LONG)  # a command is wrapped as it is by DVC


def project_with(command: str, root: Path) -> None:
    """A DVC project with one stage, `say`."""
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"say": {"cmd": command}}}))
    run("git", "init", "-q", cwd=root)
    run(sys.executable, "-m", "dvc", "init", "-q", cwd=root)


@on_linux
@pytest.mark.slow
def test_dvc_runs_in_a_child_of_a_warm_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "say.py").write_text("import psutil; print([each.cmdline() for each in psutil.Process().parents()])")
    project_with("python say.py", tmp_path)
    for switch, warmed in (("1", True), ("0", False)):
        monkeypatch.setenv(warm.SWITCH, switch)
        done = run(sys.executable, "-c", DVC_FLOW, cwd=tmp_path)
        assert "Running stage 'say'" in done.stdout
        assert (f"'transferline.warm_parent', '{done.stdout.split()[0]}'" in done.stdout) == warmed


@on_linux
@pytest.mark.slow
def test_a_killed_run_takes_what_its_stages_have_started(tmp_path: Path) -> None:
    project_with("python -c \"import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(100)\"", tmp_path)
    with subprocess.Popen([sys.executable, "-c", DVC_FLOW], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as owner:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert owner.poll() is None
            time.sleep(0.05)
        started = psutil.Process(int((tmp_path / "pid").read_text()))
        os.kill(owner.pid, signal.SIGKILL)
    _, left = psutil.wait_procs([started], timeout=20)
    assert not left
