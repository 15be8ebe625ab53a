"""Files that a kill or a full disk cut off are put right by the next run."""

import json
import os
import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kill_at import example_move
from tests.small_line import changed, command, commit, make_line
from transferline.cli import main as cli
from transferline.cli import pipeline
from transferline.datasets.dvc_lock_file import COPIES, LOCK, how_to_restore, keep_copy, restore_copy
from transferline.errors import TransferlineError, cause_first, system_cause
from transferline.registry import ledger
from transferline.registry.champion_move import JOURNAL, recover
from transferline.registry.last_refusal import FILE as REFUSAL
from transferline.registry.last_refusal import kept_refusal
from transferline.repairs import repair_files
from transferline.training_lock import FILE, clear, held
from transferline.workarounds import free_dvc_locks

CUT_OFF = "dvc.lock was cut off, perhaps by a full disk: restored the last one that was complete"
STAGE = "  a:\n    cmd: x\n    outs:\n    - path: b\n      md5: 0123456789abcdef0123456789abcdef\n      size: 1\n"


def old(file: Path, text: str) -> Path:
    """Writes a file that nobody is writing any more."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, (1, 1))
    return file


@pytest.mark.parametrize("name", ["dvc.lock", "data/dvc.lock"])
@pytest.mark.parametrize("kept", [0, 1, 29, -3, -40])
def test_a_dvc_lock_that_was_cut_off_is_restored(kept: int, name: str, tmp_path: Path) -> None:
    text = f"schema: '2.0'\nstages:\n{STAGE}"
    lock = old(tmp_path / name, text)
    keep_copy(tmp_path)
    old(lock, text[:kept])
    keep_copy(tmp_path)
    repairs = restore_copy(tmp_path)
    if repairs:
        assert (
            repairs == [CUT_OFF.replace("dvc.lock", name)] and lock.read_text() == text and restore_copy(tmp_path) == []
        )
    else:  # DVC reads what is left
        assert kept < 0


def test_a_dvc_lock_with_conflicts_is_the_users(tmp_path: Path) -> None:
    lock = old(tmp_path / "dvc.lock", f"schema: '2.0'\nstages:\n{STAGE}")
    keep_copy(tmp_path)
    old(lock, f"<<<<<<< HEAD\n{lock.read_text()}=======\n>>>>>>> other\n")
    assert restore_copy(tmp_path) == [] and "<<<<" in lock.read_text()
    assert "keep one side with `git checkout --ours dvc.lock`" in how_to_restore(tmp_path)


def test_stages_that_end_together_keep_one_copy(tmp_path: Path) -> None:
    old(tmp_path / "dvc.lock", f"schema: '2.0'\nstages:\n{STAGE}")
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: keep_copy(tmp_path), range(40))) == [None] * 40


@pytest.mark.slow
def test_without_a_copy_the_committed_one_is_restored_or_the_file_deleted(tmp_path: Path) -> None:
    root = make_line(tmp_path / "line")
    whole = f"schema: '2.0'\nstages:\n{STAGE}"
    old(root / "dvc.lock", whole)
    commit(root)
    old(root / "dvc.lock", whole[:20])
    with pytest.raises(TransferlineError, match=r"(?s)dvc\.lock.*`transferline run` restores the last complete"):
        changed(root)
    assert repair_files(root) == ["dvc.lock was cut off, perhaps by a full disk: restored the committed one"]
    assert (root / "dvc.lock").read_text() == whole
    command("git", "rm", "-q", "--cached", "dvc.lock", cwd=root)
    commit_without_adding = ("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x")
    command(*commit_without_adding, cwd=root)
    old(root / "dvc.lock", "")
    assert "deleted it, because there is no complete one; all stages run again" in repair_files(root)[0]
    assert len(changed(root)) == 4


@pytest.mark.slow
def test_the_lock_of_a_real_pipeline_is_kept_and_restored(tmp_path: Path) -> None:
    root = make_line(tmp_path / "line")
    command("dvc", "repro", cwd=root)
    assert changed(root) == {}
    text = (root / "dvc.lock").read_text()
    assert (root / COPIES / LOCK).read_text() == text
    old(root / "dvc.lock", text[: len(text) // 2] + "\n   x")
    assert repair_files(root) == [CUT_OFF]
    assert changed(root) == {}


@pytest.mark.slow
def test_dvc_still_writes_its_lock_in_place(tmp_path: Path) -> None:
    """When this fails, DVC replaces the file, and `keep_copy` and `restore_copy` can go."""
    root = make_line(tmp_path / "line")
    old(root / "dvc.lock", "schema: '2.0'\nstages: {}\n")
    number = (root / "dvc.lock").stat().st_ino
    command("dvc", "repro", "validate", cwd=root)
    assert (root / "dvc.lock").stat().st_ino == number


@pytest.mark.parametrize("text", ["", "{", '{"read": {"a": [{"pi'])
def test_a_lock_of_dvc_that_was_cut_off(text: str, tmp_path: Path) -> None:
    file = old(tmp_path / ".dvc/tmp/rwlock", text)
    assert free_dvc_locks(tmp_path) == ["deleted .dvc/tmp/rwlock, which was cut off"]
    assert not file.exists() and free_dvc_locks(tmp_path) == []


@pytest.mark.parametrize("text", ["{", '{"token": "a", "ho', '{"token": "a"}', "[]", "3"])
def test_a_training_lock_that_was_cut_off(text: str, tmp_path: Path) -> None:
    old(tmp_path / FILE, text)
    assert clear(tmp_path) == []
    with held(tmp_path, "next"):
        assert json.loads((tmp_path / FILE).read_text())["command"] == "next"


def test_the_next_run_names_the_killed_holder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dead = {"token": "x", "host": os.uname().nodename, "pid": 2**22 + 1, "started": 1.0, "since": "then"}
    old(tmp_path / FILE, json.dumps(dead | {"command": "transferline run"}))
    with held(tmp_path, "next"):
        assert capsys.readouterr().out.startswith("freed the lock of transferline run (pid 4194305 on ")


@pytest.mark.parametrize("text", ["", "{", '{"move": {"id": "3"'])
def test_a_move_file_that_was_cut_off(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = old(tmp_path / JOURNAL, text)
    recover(None, tmp_path)
    assert not file.exists()
    assert capsys.readouterr().out == "mlruns/move.json was cut off: its move of the champion had not begun\n"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_damaged_refusal_is_no_refusal(text: str, tmp_path: Path) -> None:
    old(tmp_path / REFUSAL, text)
    assert kept_refusal(tmp_path, "x") is None


def test_a_line_of_the_ledger_that_was_cut_off_is_replaced(tmp_path: Path) -> None:
    first, second = example_move(None, "1"), example_move()
    ledger.append(tmp_path, first)
    file = tmp_path / ledger.LEDGER
    whole = file.read_text()
    for cut in (1, 30, len(second.model_dump_json()) - 1):
        file.write_text(whole + second.model_dump_json()[:cut])
        assert ledger.read(tmp_path) == [first]
    ledger.append(tmp_path, second)
    assert ledger.read(tmp_path) == [first, second] and file.read_text().startswith(whole)
    file.write_text(whole.strip())  # as an editor leaves it
    ledger.append(tmp_path, second)
    assert ledger.read(tmp_path) == [first, second]


def test_a_full_disk_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    """The system refuses what exceeds the size limit of a file, as on a full disk: it writes a part of the line."""
    ledger.append(tmp_path, example_move(None, "1"))
    file = tmp_path / ledger.LEDGER
    whole, limits = file.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 20, limits[1]))
    try:
        with pytest.raises(OSError):
            ledger.append(tmp_path, example_move())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == whole


def test_the_first_line_of_an_error_is_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    assert system_cause("Traceback\n  x\nOSError: [Errno 28] No space left on device: '/a b/c'\n") == (
        "no space left on device: '/a b/c'; free some space, then run this again"
    )
    assert system_cause("(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT]") == (
        "database or disk is full; free some space, then run this again"
    )
    assert system_cause("KeyError: 3") is None
    assert cause_first("`dvc add` failed:\n  OSError: [Errno 122] Disk quota exceeded").startswith(
        "disk quota exceeded; "
    )
    for unchanged in ("a: permission denied\nb", "OSError: Read-only file system: 'x'\nb", "KeyError"):
        assert cause_first(unchanged) == unchanged

    def fail(_: object) -> int:
        raise OSError(28, "No space left on device", "/x")

    monkeypatch.setattr(pipeline, "_status", fail)
    monkeypatch.setattr(sys, "argv", ["transferline", "status"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert str(end.value.code).startswith("error: no space left on device: '/x'; free some")
