"""After `git pull` without `dvc checkout`, the old files in the workspace are not taken for changes by hand."""

import shutil

import pytest

from tests.photographs import FILE, RAW, commit, picture
from tests.small_line import command
from transferline.cli.status import status
from transferline.datasets.changes_by_hand import describe_by_hand, refuse_edited_import, version_by_hand
from transferline.datasets.forgotten_checkout import forgotten_checkout
from transferline.datasets.merge import merge
from transferline.datasets.new_data import find_new_data
from transferline.datasets.remove import remove_dataset, remove_photographs
from transferline.datasets.revisions import recorded_hash, take_revision
from transferline.errors import TransferlineError

HOLDS = r"data/raw/colors holds the files of commit {}, but data/raw/colors\.dvc names another version\. If `dvc check"


def git(root, *words):
    return command("git", "-c", "user.name=t", "-c", "user.email=t@t", *words, cwd=root).strip()


def add_version(root, *seeds):
    """Versions new photographs, and commits."""
    for seed in seeds:
        picture(root / RAW / f"red/new{seed}.png", seed)
    command("dvc", "add", "-q", RAW, cwd=root)
    commit(root)
    return git(root, "rev-parse", "--short", "HEAD")


def test_the_files_of_before_a_pull_are_no_change_by_hand(project, tmp_path):
    first = git(project, "rev-parse", "--short", "HEAD")
    add_version(project, 1, 2)
    git(project, "commit", "-q", "--allow-empty", "-m", "another")
    for seed in (1, 2):  # as before the pull, which brought the .dvc file
        (RAW / f"red/new{seed}.png").unlink()
    picture(tmp_path / "more/red/more.png", 3)
    text, match = FILE.read_text(), HOLDS.format(first)
    for refuses in (
        lambda: version_by_hand(project, "colors"),
        lambda: merge(str(tmp_path / "more"), "colors", project, None, replace=False),
        lambda: remove_photographs(project, "colors", ["red/1.png"]),
        lambda: remove_dataset(project, "colors", lambda _: True),
        lambda: take_revision(project, "colors", first),
        lambda: next(find_new_data(project, "colors")),
    ):
        with pytest.raises(TransferlineError, match=match):
            refuses()
        assert FILE.read_text() == text and not (RAW / "red/more.png").exists()
    [line] = [line for line in status(project).splitlines() if line.startswith(str(FILE))]
    assert "holds the files of commit" in line
    command("dvc", "checkout", FILE, cwd=project)
    assert version_by_hand(project, "colors") == "" and (RAW / "red/new2.png").exists()
    (RAW / "red/new1.png").unlink()
    assert "changed by hand: -1 image" in version_by_hand(project, "colors")


def test_new_files_beside_those_of_before_a_pull(project):
    """Also `.DS_Store`, which a file manager writes."""
    first = git(project, "rev-parse", "--short", "HEAD")
    last = add_version(project, 1, 2)
    for seed in (1, 2):
        (RAW / f"red/new{seed}.png").unlink()
    (RAW / ".DS_Store").write_text("x")
    with pytest.raises(TransferlineError, match=f"holds the files of commit {first} and new ones, but"):
        version_by_hand(project, "colors")
    lists = project / ".dvc/cache/files/md5"
    named = recorded_hash(project, "colors", last)
    (lists / named[:2] / named[2:]).rename(project / "list")  # nobody has fetched it
    assert f"commit {first} and new ones, but" in forgotten_checkout(project, "colors")
    (project / "list").rename(lists / named[:2] / named[2:])
    picture(RAW / "red/new1.png", 1)
    assert "-1 image" in version_by_hand(project, "colors")  # one of the new photographs was there, so it was deleted


def test_a_hidden_file_of_both_versions_does_not_hide_a_forgotten_checkout(project):
    first = git(project, "rev-parse", "--short", "HEAD")
    (RAW / ".DS_Store").write_text("that of a colleague")
    add_version(project, 1)
    (RAW / "red/new1.png").unlink()
    (RAW / ".DS_Store").write_text("x")
    assert f"holds the files of commit {first} and new ones, but" in forgotten_checkout(project, "colors")


@pytest.mark.parametrize("work", ["edit", "move", "put back"])
def test_usual_work_on_the_last_added_photographs_is_a_change_by_hand(project, work):
    add_version(project, 1)
    new = RAW / "red/new1.png"
    if work == "edit":
        new.unlink()
        picture(new, 5)
    elif work == "move":
        new.rename(RAW / "blue/new1.png")
    else:
        new.unlink()
        add_version(project)
        picture(new, 1)
        picture(RAW / "red/more.png", 2)
    assert "changed by hand: " in version_by_hand(project, "colors")


@pytest.mark.parametrize("beside", [False, True])
def test_deleting_all_that_the_last_version_added_looks_the_same_and_can_be_kept(project, beside):
    """The message names both causes and what to do for each."""
    add_version(project, 1)
    (RAW / "red/new1.png").unlink()
    if beside:
        picture(RAW / "red/more.png", 2)
    with pytest.raises(TransferlineError, match=r"If the files were changed by hand: `dvc add data/raw/colors` keeps"):
        next(find_new_data(project, "colors"))
    command("dvc", "add", "-q", RAW, cwd=project)
    assert forgotten_checkout(project, "colors") == "" and not (RAW / "red/new1.png").exists()


def test_photographs_that_were_added_by_hand_can_be_taken_out_again(project):
    before = FILE.read_text()
    picture(RAW / "red/new.png", 1)
    assert "+1 image" in version_by_hand(project, "colors")
    (RAW / "red/new.png").unlink()
    assert "-1 image" in version_by_hand(project, "colors") and FILE.read_text() == before


def test_the_version_of_a_merged_branch_and_of_a_shallow_clone(project, tmp_path, monkeypatch):
    start = git(project, "rev-parse", "--abbrev-ref", "HEAD")
    git(project, "checkout", "-q", "-b", "side")
    side = add_version(project, 1)
    git(project, "checkout", "-q", start)
    command("dvc", "checkout", "-q", FILE, cwd=project)
    last = add_version(project, 2)
    git(project, "merge", "-q", "-s", "ours", "--no-edit", "side")
    git(project, "branch", "-q", "-D", "side")
    git(project, "config", "log.showRoot", "false")
    (RAW / "red/new2.png").unlink()
    picture(RAW / "red/new1.png", 1)
    assert f"the files of commit {side}, but" in forgotten_checkout(project, "colors")
    clone = tmp_path / "clone"
    command("git", "clone", "-q", "--depth", "1", f"file://{project}", clone, cwd=tmp_path)
    shutil.copytree(project / ".dvc/cache", clone / ".dvc/cache")
    command("dvc", "checkout", "-q", FILE, cwd=clone)
    monkeypatch.chdir(clone)
    there = git(clone, "rev-parse", "--short", "HEAD")
    add_version(clone, 3)
    (clone / RAW / "red/new3.png").unlink()
    assert there != last and f"the files of commit {there}, but" in forgotten_checkout(clone, "colors")


def test_the_version_of_the_last_training_that_no_commit_names(project):
    committed = FILE.read_text()
    picture(RAW / "red/new.png", 1)
    version_by_hand(project, "colors")
    entry = f"deps:\n    - path: {RAW}\n      md5: {recorded_hash(project, 'colors')}\n    outs: []\n"
    (project / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n  validate:\n    cmd: x\n    {entry}")
    FILE.write_text(committed)
    with pytest.raises(TransferlineError, match="holds the files of the last training, but"):
        version_by_hand(project, "colors")


def test_an_import_that_a_colleague_updated(project, tmp_path):
    source = tmp_path / "source"
    picture(source / "red/1.png", 1)
    command("dvc", "import-url", "-q", source, "data/raw/imported", cwd=project)
    commit(project)
    picture(source / "red/2.png", 2)
    command("dvc", "update", "-q", "data/raw/imported.dvc", cwd=project)
    commit(project)
    (project / "data/raw/imported/red/2.png").unlink()
    for refuses in (version_by_hand, refuse_edited_import):
        with pytest.raises(TransferlineError, match=r"^data/raw/imported holds the files of commit"):
            refuses(project, "imported")
    assert describe_by_hand(project, "imported").startswith("data/raw/imported holds the files of commit")
