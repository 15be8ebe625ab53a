"""`transferline data add` into an existing dataset. DVC records every file."""

import shutil
import sys

import pytest

from tests.conftest import edit_yaml
from tests.photographs import FILE, RAW, commit, nfiles, picture, snapshot
from transferline.cli import main as cli
from transferline.datasets import change_files
from transferline.datasets.add import add
from transferline.datasets.changes_by_hand import changes_by_hand
from transferline.datasets.diff import describe_changes, diff
from transferline.datasets.merge import merge
from transferline.datasets.remove import remove_photographs
from transferline.datasets.versions import open_cache, recorded_files
from transferline.errors import TransferlineError


@pytest.mark.slow
def test_photographs_are_merged_into_a_dataset(project, tmp_path, monkeypatch, capsys):
    source = tmp_path / "more"
    for number in range(3):
        picture(source / "red" / f"new{number}.png", number)
    picture(source / "violet" / "1.png", 9)
    shutil.copy(RAW / "red" / "3.png", source / "red" / "3.png")
    (source / "green").mkdir()
    shutil.copy(RAW / "green" / "12.png", source / "green" / "again.png")
    shutil.copy(RAW / "blue" / "5.png", source / "violet" / "2.png")
    picture(RAW / "blue" / "by_hand.png", 10)
    (RAW / "red" / ".DS_Store").write_text("1")
    (source / "red" / ".DS_Store").write_text("2")
    monkeypatch.setattr(sys, "argv", ["transferline", "data", "add", str(source), "--into", "colors"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr().out
    assert end.value.code == 0
    assert (
        "changed by hand since the last version, and versioned too: +1 image: blue +1; other files: 1 added\n" in said
    )
    words = "+5 images: blue +1, red +3, violet +1 (new class); other files: 1 added; 2 already there; "
    assert f"{words}2 already there as green/12.png, " in said
    assert "violet/2.png is there already as blue/5.png, with another label (violet in the source, blue there)" in said
    assert not (RAW / "violet/2.png").exists() and not (RAW / "green/again.png").exists()
    assert nfiles(FILE) == len(snapshot(RAW)) == 126
    assert changes_by_hand(project, "colors") is None
    assert sorted(path.name for path in RAW.parent.iterdir()) == ["colors", "colors.dvc"]

    taken = tmp_path / "taken"
    picture(taken / "red" / "0.png", 20)
    picture(taken / "red" / "fresh.png", 21)
    before, text, lost = snapshot(RAW), FILE.read_text(), (RAW / "red/0.png").read_bytes()
    with pytest.raises(TransferlineError, match=r"has 1 of these paths with other content: red/0\.png.*--replace"):
        merge(str(taken), "colors", project, None, replace=False)
    assert snapshot(RAW) == before and FILE.read_text() == text
    packed = shutil.make_archive(str(tmp_path / "taken"), "zip", tmp_path, "taken")
    assert str(merge(packed, "colors", project, None, replace=True)) == "+1 image: red +1; 1 replaced"
    cache = open_cache(project)
    md5 = recorded_files(cache, "colors")["red/0.png"]
    assert cache.find(md5).read_bytes() == (RAW / "red/0.png").read_bytes() != lost


def test_an_image_without_the_suffix_of_one_counts_as_an_image_in_each_command(project, tmp_path):
    source = tmp_path / "more"
    for number, name in enumerate(("red/1.jpg_large", "violet/no_suffix", "violet/2")):
        picture(source / "as.png", number)
        (source / name).parent.mkdir(exist_ok=True)
        (source / "as.png").rename(source / name)
    (source / "violet" / "README").write_text("P1 is no picture")
    added = add(str(source), "small", project, None)
    assert added.classes == {"": {"red": 1, "violet": 2}} and not added.unlabelled
    words = "+3 images: red +1, violet +2 (new class); other files: 1 added"
    assert str(merge(str(source), "colors", project, None, replace=False)) == words
    commit(project)
    assert str(diff(project, "colors", "HEAD~1..HEAD").difference) == words
    said = remove_photographs(project, "colors", ["violet"])
    assert said.startswith("-2 images: violet -2 (class gone); other files: 1 removed\n")
    assert str(diff(project, "colors", None).difference) == said.splitlines()[0]
    add(str(source), "tiny", project, None)
    remove_photographs(project, "tiny", ["red"])
    assert str(merge(str(source), "tiny", project, None, replace=False)).startswith("+1 image: red +1 (new class)")


def test_a_merge_that_fails_leaves_the_dataset_as_it_was(project, tmp_path, monkeypatch):
    source = tmp_path / "more"
    picture(source / "red" / "0.png", 1)
    picture(source / "new" / "deep" / "1.png", 2)
    before, text = snapshot(RAW), FILE.read_text()

    def fail(root, name):
        assert (RAW / "new/deep/1.png").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(change_files, "add_version", fail)
    with pytest.raises(KeyboardInterrupt):
        merge(str(source), "colors", project, None, replace=True)
    assert snapshot(RAW) == before and FILE.read_text() == text and not (RAW / "new").exists()
    assert sorted(path.name for path in RAW.parent.iterdir()) == ["colors", "colors.dvc"]


def test_a_file_that_dvc_does_not_see_is_not_overwritten(project, tmp_path):
    picture(tmp_path / "more" / "red" / "new.png", 1)
    (tmp_path / "more" / "red" / "notes.pyc").write_text("another's")
    (RAW / "red" / "notes.pyc").write_text("mine")
    before, text = snapshot(RAW), FILE.read_text()
    with pytest.raises(TransferlineError, match=r"as before: .*red/notes\.pyc is there, but is not in the dataset"):
        merge(str(tmp_path / "more"), "colors", project, None, replace=False)
    assert snapshot(RAW) == before and FILE.read_text() == text
    assert (RAW / "red" / "notes.pyc").read_text() == "mine"


def test_what_cannot_be_merged(project, tmp_path):
    picture(tmp_path / "flat" / "1.png", 1)
    picture(tmp_path / "repository" / "red" / "1.png", 1)
    (tmp_path / "repository" / ".git").mkdir()
    (tmp_path / "repository" / ".git" / "HEAD").write_text("")
    picture(tmp_path / "folder" / "red" / "0.png" / "1.png", 1)
    (tmp_path / "link").mkdir()
    before = snapshot(RAW.parent)
    for source, name, match in (
        ("flat", "colors", r"1 images are not in the folder of a class: 1\.png"),
        ("repository", "colors", r"it holds a Git repository \(\.git/HEAD\)"),
        ("folder", "colors", r"path is that of a file of the dataset: red/0\.png/1\.png"),
        ("flat", "digits", "digits is a public set"),
        ("flat", "colours", r"there is no data/raw/colours\.dvc; there are: colors"),
    ):
        with pytest.raises(TransferlineError, match=match):
            merge(str(tmp_path / source), name, project, None, replace=False)
        assert snapshot(RAW.parent) == before


@pytest.mark.slow
def test_a_table_that_changes_labels(project, tmp_path):
    for number in range(4):
        picture(tmp_path / "first" / f"{number}.png", number)
    table = "file,label\n" + "".join(f"{number}.png,{'cat' if number else 'dog'}\n" for number in range(4))
    (tmp_path / "first" / "labels.csv").write_text(table)
    add(str(tmp_path / "first"), "pets", project, None)
    commit(project)
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    picture(tmp_path / "second" / "4.png", 4)
    shutil.copy(tmp_path / "first" / "1.png", tmp_path / "second" / "5.png")
    (tmp_path / "second" / "labels.csv").write_text(table.replace("1.png,cat", "1.png,dog") + "4.png,cow\n5.png,cat\n")
    with pytest.raises(
        TransferlineError, match=r"other content: labels\.csv.*labels\.csv must then name the images of"
    ):
        merge(str(tmp_path / "second"), "pets", project, None, replace=False)
    merged = merge(str(tmp_path / "second"), "pets", project, None, replace=True)
    assert str(merged) == (
        "+2 images: cat +1, cow +1 (new class); 1 changed the label: cat to dog 1; other files: 1 replaced; "
        "4 already there"
    )
    commit(project)
    edit_yaml(project / "params.yaml", lambda params: params["data"].update(dataset="other"))
    assert describe_changes(diff(project, "pets", "HEAD~1..HEAD"), "pets").endswith("other files: 1 replaced")
    said = remove_photographs(project, "pets", ["4.png"])
    assert "-1 image: cow -1 (class gone)" in said and "still names 1 of them: 4.png" in said


@pytest.mark.slow
def test_each_file_of_a_new_dataset_is_recorded_or_it_is_refused(project, tmp_path):
    source = tmp_path / "photos"
    picture(source / "a/1.png", 1)
    (source / ".gitignore").write_text("*.png\n")  # DVC does not follow it inside a dataset
    add(str(source), "whole", project, None)
    assert nfiles(project / "data/raw/whole.dvc") == 2
    before = snapshot(RAW.parent)
    for left_out, match in (
        ("sub/.dvc/config", r"it holds a DVC repository \(sub/\.dvc/config\).*give a folder with only the images"),
        (".git", r"it holds a Git repository \(\.git\)"),
        ("a/.dvcignore", r"DVC allows no \.dvcignore in a dataset \(a/\.dvcignore\): remove it"),
        ("a/__pycache__/2.png", r"line of the project's \.dvcignore matches them: a/__pycache__/2\.png"),
    ):
        thinned = shutil.copytree(source, tmp_path / "thinned")
        (thinned / left_out).parent.mkdir(parents=True, exist_ok=True)
        (thinned / left_out).write_text("")
        with pytest.raises(TransferlineError, match=match):
            add(str(thinned), "thin", project, None)
        assert snapshot(RAW.parent) == before
        with pytest.raises(TransferlineError, match=match):
            merge(str(thinned), "whole", project, None, replace=False)
        assert snapshot(RAW.parent) == before
        shutil.rmtree(thinned)
