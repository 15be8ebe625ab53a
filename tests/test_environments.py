"""`transferline run` on a disk that fills up, in a project that it cannot write to, and in unusual surroundings.

The tests need Linux with namespaces (`unshare`), in which any user can mount a small disk or be another user.
"""

import os
import random
import subprocess
from pathlib import Path

import pytest

from tests.conftest import run
from tests.crash_project import TRANSFERLINE, crash_project, environ, results, run_to_the_end, undisturbed
from tests.empty_databases import give_database
from tests.small_line import make_line

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(3600)]

# Runs in a mount namespace of its own: on a tmpfs with room for `extra` kilobytes, and then with room enough.
ON_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size=1g tmpfs {disk}
cp -a {project} {disk}/project
cd {disk}/project
mount -o remount,size=$(($(df -k --output=used {disk} | tail -1) + {extra}))k {disk}
{transferline} run --no-promote > {log} 2>&1 && exit 3
mount -o remount,size=1g {disk}
{transferline} run --no-promote > {log}.again 2>&1
dvc status
"""
AS_NOBODY = ("unshare", "--user", "--map-user=54321", "--map-group=54321")  # a user for whom the modes of files count
IN_NAMESPACE = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))
HOME_AND_NAME = ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME")


def error_of(said: str) -> str:
    """The first line of the error message."""
    return said[said.rindex("error: ") :].splitlines()[0]


@pytest.fixture
def line(tmp_path: Path) -> Path:
    root = make_line(tmp_path / "line")
    give_database(root / ".prefect")
    return root


@pytest.mark.parametrize("extra", [0, *(random.Random(number).randrange(100, 900, 4) for number in range(3))])
def test_a_disk_that_fills_up(extra: int, line: Path, tmp_path: Path) -> None:
    fill_up(line, tmp_path, extra, environ())


@pytest.mark.parametrize("extra", range(0, 20, 4))
def test_a_disk_that_fills_up_under_dvc(extra: int, line: Path, tmp_path: Path) -> None:
    """Prefect's database is on another disk, so that DVC and the stages meet the full one."""
    (line / ".prefect").rename(tmp_path / "prefect")
    fill_up(line, tmp_path, extra, environ(PREFECT_HOME=str(tmp_path / "prefect")))


def fill_up(line: Path, tmp_path: Path, extra: int, env: dict[str, str]) -> None:
    """Runs on a disk with room for `extra` kilobytes, which must fail, and again with room enough, which must not."""
    disk, log = tmp_path / "disk", tmp_path / "log.txt"
    disk.mkdir()
    script = ON_A_SMALL_DISK.format(disk=disk, project=line, log=log, extra=extra, transferline=TRANSFERLINE)
    done = subprocess.run([*IN_NAMESPACE, "sh", "-c", script], env=env, capture_output=True, text=True, check=False)
    error = error_of(log.read_text())
    assert error.startswith(("error: no space left on device", "error: database or disk is full", "error: stage "))
    assert "no space left on device" in error or "database or disk is full" in error
    again = Path(f"{log}.again").read_text() if Path(f"{log}.again").exists() else ""
    assert done.returncode == 0 and "up to date" in done.stdout, done.stdout + done.stderr + again[-3000:]


def test_a_read_only_disk(line: Path) -> None:
    script = "mount --bind . . && mount -o remount,ro,bind . && cd $PWD && {} run; {} reconcile; {} history"
    words = [*IN_NAMESPACE, "sh", "-c", script.replace("{}", TRANSFERLINE)]
    done = subprocess.run(words, cwd=line, env=environ(), capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert "error: read-only file system: " in said and "error: unable to open database file" in said
    assert "names no champion" in said and "Traceback" not in said


def test_a_project_that_this_user_may_not_change(line: Path) -> None:
    for path in (line, *line.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        script = f"{TRANSFERLINE} run; {TRANSFERLINE} reconcile; {TRANSFERLINE} use params.yaml; {TRANSFERLINE} status"
        words = [*AS_NOBODY, "sh", "-c", script]
        done = subprocess.run(words, cwd=line, env=environ(), capture_output=True, text=True, check=False)
    finally:
        for path in (line, *line.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)
    assert done.stderr.count("error: permission denied: ") == 3 and "readonly database" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_user_without_a_name_and_a_home(line: Path) -> None:
    env = {name: value for name, value in environ().items() if name not in HOME_AND_NAME}
    words = [*AS_NOBODY, TRANSFERLINE, "run", "--no-promote"]
    done = subprocess.run(words, cwd=line, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "4 stages ran" in done.stdout, done.stdout + done.stderr


def test_unusual_surroundings(tmp_path: Path) -> None:
    """No Git identity, no HOME, another umask, and a path with spaces, quotes, a dollar sign and other scripts."""
    root = crash_project(tmp_path / "Fotos 'ü' 数据 $x")
    env = environ(GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null")
    del env["HOME"]
    former = os.umask(0o077)
    try:
        run_to_the_end(root, env)
    finally:
        os.umask(former)
    assert results(root) == results(undisturbed())


def test_two_clones_at_once(tmp_path: Path) -> None:
    start, remote = crash_project(tmp_path / "start"), tmp_path / "remote"
    run("dvc", "remote", "add", "-q", "-d", "store", remote, cwd=start)
    run("dvc", "push", "-q", "data/raw/colors.dvc", cwd=start)
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "one candidate", cwd=start)
    clones = [tmp_path / "one", tmp_path / "two"]
    for clone in clones:
        run("git", "clone", "-q", start, clone, cwd=tmp_path)
        run("dvc", "pull", "-q", "data/raw/colors.dvc", cwd=clone)
    processes = [
        subprocess.Popen(
            [TRANSFERLINE, "run"], cwd=clone, env=environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for clone in clones
    ]
    for process in processes:
        said = process.communicate()[0]
        assert process.returncode == 0, said
    assert results(clones[0]) == results(clones[1]) == results(undisturbed())
