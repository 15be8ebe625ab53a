"""A kill of `data add --into` or `data remove` leaves no half change: the next run undoes it, or it was complete."""

import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, run
from tests.photographs import FILE, RAW, picture, snapshot
from transferline.datasets.change_files import JOURNAL
from transferline.datasets.merge import merge
from transferline.datasets.versions import status_of
from transferline.errors import TransferlineError
from transferline.repairs import repair_files
from transferline.training_lock import held

UNDONE = ["data/raw/colors: undid a change that was killed; start it again"]
COMPLETE = ["data/raw/colors: a change was killed after it was complete; deleted the files that it had left"]


@pytest.fixture
def more(project: Path) -> Path:
    """Replaces two photographs, adds one to a class, and adds a class with two."""
    for number, path in enumerate(("red/0.png", "red/1.png", "red/new.png", "violet/a/1.png", "violet/2.png")):
        picture(project.parent / "more" / path, number)
    return project.parent / "more"


def kill(project: Path, what: str, step: str, nth: int) -> None:
    words = (sys.executable, "-m", "tests.killed_change", what, step, str(nth))
    done = run("env", f"PYTHONPATH={ROOT}", *words, cwd=project, check=False)
    assert done.returncode == 9, done.stderr


@pytest.mark.parametrize(
    ("what", "step", "nth"),
    [
        *(("replace", "journal", 1), ("replace", "move", 1), ("replace", "move", 3), ("replace", "move", 7)),
        *(("photographs", "move", 1), ("photographs", "move", 40), ("dataset", "move", 1)),
    ],
)
def test_a_change_that_was_killed_is_undone(project: Path, more: Path, what: str, step: str, nth: int) -> None:
    if what == "replace":
        picture(RAW / "blue/by_hand.png", 9)
    before, text = snapshot(RAW), FILE.read_text()
    kill(project, what, step, nth)
    assert (project / JOURNAL).exists() and FILE.read_text() == text
    incoming = "deleted data/raw/.colors.incoming, which a killed `data add` or `data remove` left"
    assert repair_files(project)[-2:] == [*UNDONE, *[incoming] * (what == "replace")]
    assert snapshot(RAW) == before and FILE.read_text() == text and not (RAW / "violet").exists()
    assert_nothing_is_left(project, ["colors", "colors.dvc"])


@pytest.mark.parametrize(("what", "step"), [("replace", "dvc add"), ("dataset", "dvc remove")])
def test_a_change_that_was_complete_stays(project: Path, more: Path, what: str, step: str) -> None:
    text = FILE.read_text()
    kill(project, what, step, 1)
    assert COMPLETE[0] in repair_files(project)
    if what == "dataset":
        assert_nothing_is_left(project, [])
    else:
        assert FILE.read_text() != text and status_of(project, "colors") == "" and len(snapshot(RAW)) == 123
        assert_nothing_is_left(project, ["colors", "colors.dvc"])


@pytest.mark.parametrize(("nth", "then"), [(2, "pull"), (2, "dvc add"), (40, "pull")])
def test_a_dvc_file_that_changed_after_the_kill_does_not_make_a_change_complete(
    project: Path, nth: int, then: str
) -> None:
    before, text = snapshot(RAW), FILE.read_text()
    picture(RAW / "red/colleague.png", 5)
    run("dvc", "add", "-q", str(RAW), cwd=project)
    pulled = FILE.read_text()
    (RAW / "red/colleague.png").unlink()
    FILE.write_text(text)
    kill(project, "photographs", "move", nth)
    if then == "pull":
        FILE.write_text(pulled)
    else:
        run("dvc", "add", "-q", str(RAW), cwd=project)
    now = FILE.read_text()
    assert now != text and repair_files(project) == UNDONE
    assert snapshot(RAW) == before and FILE.read_text() == now
    assert_nothing_is_left(project, ["colors", "colors.dvc"])


@pytest.mark.parametrize("content", ["", "outs:\n- md5: a3f"])
def test_a_dvc_file_that_was_cut_off_is_restored(project: Path, content: str) -> None:
    before, text = snapshot(RAW), FILE.read_text()
    kill(project, "photographs", "dvc add", 1)
    FILE.write_text(content)
    assert repair_files(project) == UNDONE
    assert snapshot(RAW) == before and FILE.read_text() == text and status_of(project, "colors") == ""
    FILE.write_text(content)
    with pytest.raises(TransferlineError, match=r"colors\.dvc names no version of the data; `git checkout data/raw/co"):
        status_of(project, "colors")


def test_a_kill_after_the_journal_was_deleted_leaves_the_change_complete(project: Path) -> None:
    kill(project, "photographs", "dvc add", 1)
    (project / JOURNAL).unlink()  # as at the end of a change, before the removed files are deleted
    assert repair_files(project) == ["deleted data/raw/.colors.before, which a killed `data add` or `data remove` left"]
    assert status_of(project, "colors") == "" and len(snapshot(RAW)) == 80
    assert_nothing_is_left(project, ["colors", "colors.dvc"])


def test_the_next_data_add_repairs_first(project: Path, more: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kill(project, "replace", "move", 3)
    assert str(merge(str(more), "colors", project, None, replace=True)).startswith("+3 images: red +1, violet +2")
    assert UNDONE[0] in capsys.readouterr().out
    kill(project, "replace", "bring", 1)
    assert repair_files(project)[-1].startswith("deleted data/raw/.colors.incoming, which a killed")


def test_a_change_that_is_under_way_is_left_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / JOURNAL).parent.mkdir(exist_ok=True)
    (project / JOURNAL).write_text("{}")
    with held(project, "another"), monkeypatch.context() as patch:
        patch.delenv("TRANSFERLINE_LOCK")
        assert repair_files(project) == []


def assert_nothing_is_left(project: Path, there: list[str]) -> None:
    assert sorted(path.name for path in (project / RAW.parent).iterdir() if path.name != ".gitignore") == there
    assert not (project / JOURNAL).exists()
    assert repair_files(project) == []
