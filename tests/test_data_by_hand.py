"""Changes that a person makes in a dataset by hand. `status` reports them, the flow makes a version of them, and
for an import they are refused."""

import shutil

import pytest

from tests.photographs import FILE, RAW, picture
from tests.small_line import command, make_line
from transferline.cli.status import status
from transferline.datasets.changes_by_hand import changes_by_hand, describe_by_hand, version_by_hand
from transferline.datasets.merge import merge
from transferline.datasets.remove import remove_photographs
from transferline.datasets.revisions import recorded_hash, update_import
from transferline.datasets.versions import open_cache, recorded_files
from transferline.errors import TransferlineError
from transferline.flows.retrain import retrain


def test_status_says_what_was_changed_by_hand(project):
    assert describe_by_hand(project, "colors") == describe_by_hand(project, "digits") == ""
    picture(RAW / "red/new.png", 1)
    (RAW / "blue/0.png").unlink()
    text = FILE.read_text()
    [line] = [line for line in status(project).splitlines() if line.startswith("data/raw/colors.dvc")]
    assert line.split(None, 1)[1] == "+1 image: red +1; -1 image: blue -1"
    assert FILE.read_text() == text
    (project / "data/.gitignore").write_text("/raw/*/\n")  # as in old projects: `dvc data status` then sees nothing
    assert describe_by_hand(project, "colors") == "+1 image: red +1; -1 image: blue -1"
    (RAW / "red/broken.png").symlink_to("nowhere")
    with pytest.raises(TransferlineError, match=r"data/raw/colors: a file in it cannot be read: .*broken\.png"):
        version_by_hand(project, "colors")
    (project / "data/.gitignore").write_text("/raw/?*/\n")
    shutil.rmtree(RAW)
    assert "data/raw/colors is missing; `dvc checkout data/raw/colors.dvc` restores it" in status(project)
    with pytest.raises(TransferlineError, match="is missing; `dvc checkout"):
        version_by_hand(project, "colors")


def test_hand_made_changes_that_dvc_would_leave_out_are_refused(project):
    (RAW / "red/__pycache__").mkdir()
    picture(RAW / "red/__pycache__/1.png", 1)
    with pytest.raises(TransferlineError, match=r"not version 1 of its 121 files.*red/__pycache__/1\.png"):
        version_by_hand(project, "colors")
    shutil.rmtree(RAW / "red/__pycache__")
    (RAW / "red/.dvcignore").write_text("*.png")
    for refuses in (version_by_hand, lambda root, _: status(root)):
        with pytest.raises(TransferlineError, match=r"DVC allows no \.dvcignore in a dataset \(red/\.dvcignore\)"):
            refuses(project, "colors")


@pytest.fixture
def line(tmp_path, monkeypatch):
    root = make_line(tmp_path / "line")
    monkeypatch.chdir(root)
    return root


def test_an_import_is_changed_at_its_source_only(line, tmp_path):
    source = tmp_path / "source"
    picture(source / "red/1.png", 1)
    command("dvc", "import-url", "-q", source, "data/raw/imported", cwd=line)
    for change in (
        lambda: merge(str(source), "imported", line, None, replace=False),
        lambda: remove_photographs(line, "imported", ["red/1.png"]),
    ):
        with pytest.raises(TransferlineError, match=r"imported is an import: change it at its source.*--update"):
            change()
    assert version_by_hand(line, "imported") == ""
    picture(line / "data/raw/imported/red/2.png", 2)
    with pytest.raises(
        TransferlineError, match=r"imported is an import and was edited by hand \(\+1 image.*checkout --f"
    ):
        version_by_hand(line, "imported")
    assert "is an import and was edited by hand" in describe_by_hand(line, "imported")


def test_plain_repro_records_what_was_changed_by_hand(line):
    before = recorded_hash(line, "images")
    (line / "data/raw/images/b.txt").write_text("b")
    command("dvc", "repro", "-q", "validate", cwd=line)
    assert recorded_hash(line, "images") != before and changes_by_hand(line, "images") is None
    assert set(recorded_files(open_cache(line), "images")) == {"a.txt", "b.txt"}


@pytest.mark.slow
def test_the_flow_versions_hand_made_changes_before_it_plans(line, recorded, caplog):
    before = recorded_hash(line, "images")
    picture(line / "data/raw/images/red/1.png", 1)
    picture(line / "data/raw/images/blue/1.png", 2)
    retrain(promote=False)
    said = "data/raw/images was changed by hand: +2 images: blue +1 (new class), red +1 (new class); versioned with"
    messages = caplog.messages
    versioned = next(number for number, message in enumerate(messages) if message.startswith(said))
    assert versioned < messages.index("4 stages to run: first training on images")  # `images.dvc` is none of them
    assert recorded_hash(line, "images") != before and changes_by_hand(line, "images") is None
    picture(line / "data/raw/images/red/sub/.dvc/tmp/2.png", 1)
    state = retrain(promote=False, return_state=True)
    assert state.is_failed() and "it holds a DVC repository" in state.message


@pytest.mark.slow
def test_an_update_does_not_overwrite_what_was_added_to_an_import_by_hand(line, recorded, tmp_path):
    source = tmp_path / "source"
    picture(source / "red/1.png", 1)
    shutil.rmtree(line / "data/raw/images")
    (line / "data/raw/images.dvc").unlink()
    command("dvc", "import-url", "-q", source, "data/raw/images", cwd=line)
    picture(line / "data/raw/images/red/2.png", 2)
    picture(source / "red/3.png", 3)
    state = retrain(update=True, promote=False, return_state=True)
    assert state.is_failed() and "was edited by hand" in state.message
    assert (line / "data/raw/images/red/2.png").exists()
    (line / "data/raw/images/red/2.png").unlink()
    update_import(line, "images")
    assert (line / "data/raw/images/red/3.png").exists()
