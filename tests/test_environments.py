"""`transferline run` on a full disk, in a read-only project, and in unusual surroundings."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash_project import TRANSFERLINE, crash_project, environ, results, undisturbed

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(3600)]

MEGABYTE = 2**20
# what runs in a mount namespace of its own: first on a disk that is too small, then on the same disk when it is larger
ON_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size={size}m tmpfs {disk}
cp -a {project} {disk}/project
cd {disk}/project
set +e
{transferline} run > {log} 2>&1
echo $? > {log}.status
set -e
mount -o remount,size=4g {disk}
{transferline} run >> {log}.again 2>&1
cp -a {disk}/project {after}
"""


def has_namespaces() -> bool:
    """Whether this user may mount a disk in a namespace of its own, as root or with user namespaces."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    return subprocess.run([*unshare(), "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode == 0


def unshare() -> list[str]:
    return ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]


def megabytes(root: Path) -> int:
    files = (file for file in root.rglob("*") if file.is_file() and not file.is_symlink())
    return sum(-(-file.stat().st_size // 4096) * 4096 for file in files) // MEGABYTE


@pytest.mark.skipif(not has_namespaces(), reason="needs the right to mount a disk in a namespace: root on Linux")
@pytest.mark.parametrize("share", [random.Random(26 + number).uniform(0, 0.95) for number in range(4)])
def test_a_disk_that_fills_up(share: float, tmp_path: Path) -> None:
    """The disk has room for a share of what a run writes."""
    root, disk, log, after = (tmp_path / name for name in ("start", "disk", "log.txt", "after"))
    crash_project(root)
    disk.mkdir()
    empty, whole = megabytes(root), megabytes(undisturbed())
    size = empty + 1 + int(share * (whole - empty))
    names = {"disk": disk, "project": root, "log": log, "after": after, "transferline": TRANSFERLINE}
    script = ON_A_SMALL_DISK.format(size=size, **names)
    done = subprocess.run([*unshare(), "sh", "-c", script], env=environ(), capture_output=True, text=True)
    said = log.read_text()
    assert Path(f"{log}.status").read_text() == "1\n", said[-3000:]
    error = said[said.rindex("error: ") :].splitlines()[0]
    assert "no space left on device" in error or "disk is full" in error, said[-3000:]
    assert "Traceback" not in said, said[-6000:]
    assert done.returncode == 0, done.stderr + Path(f"{log}.again").read_text()[-3000:]
    assert results_of_a_move(after, disk / "project") == results(undisturbed())


def results_of_a_move(root: Path, former: Path) -> dict[str, object]:
    """The results of a project that was moved: MLflow stores absolute paths, so the former path leads to it."""
    former.symlink_to(root)
    return results(root)
