"""The differences between two versions of a dataset, in words and as a picture."""

import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from tests.conftest import run
from tests.photographs import FILE, RAW, commit, picture
from transferline.cli import main as cli
from transferline.datasets.diff import describe_changes, diff
from transferline.datasets.diff_picture import draw_difference
from transferline.datasets.revisions import recorded_hash
from transferline.datasets.version_contents import VersionContents
from transferline.datasets.version_difference import compare_versions
from transferline.datasets.versions import open_cache, recorded_files
from transferline.errors import TransferlineError
from transferline.plots import BLUE, GREEN, ORANGE, PURPLE


def test_a_difference_in_words():
    before = {"a/1.jpg": "1", "a/2.jpg": "2", "b/3.jpg": "3", "c/4.jpg": "4", "c/5.jpg": "5", "notes.txt": "t"}
    after = {"a/1.jpg": "x", "b/2.jpg": "2", "b/33.jpg": "3", "d/6.jpg": "6", "d/7.jpg": "4", "notes.txt": "u"}

    def contents(files):
        return VersionContents(files, {path: path[0] for path in files if path.endswith("jpg")})

    found = compare_versions(contents(before), contents(after))
    assert found.added == ("d/6.jpg",) and found.removed == ("c/5.jpg",) and found.replaced == ("a/1.jpg",)
    assert [(move.old, move.new) for move in found.moved] == [
        ("a/2.jpg", "b/2.jpg"),
        ("b/3.jpg", "b/33.jpg"),
        ("c/4.jpg", "d/7.jpg"),
    ]
    assert str(found) == (
        "+1 image: d +1 (new class); -1 image: c -1 (class gone); 1 replaced; "
        "2 changed the label: a to b 1, c to d 1; 1 renamed; other files: 1 replaced"
    )
    assert not compare_versions(contents(before), contents(before))
    assert str(compare_versions(contents(before), contents(before))) == "no difference"


@pytest.mark.slow
def test_versions_are_compared_in_words_and_as_a_picture(project, tmp_path, capsys, monkeypatch):
    picture(RAW / "violet/1.png", 1)
    for number in range(10):
        (RAW / f"red/{number}.png").unlink()
    picture(RAW / "green/0.png", 2)
    (RAW / "blue/7.png").rename(RAW / "green/from_blue.png")
    words = "+1 image: violet +1 (new class); -10 images: red -10; 1 replaced; 1 changed the label: blue to green 1"
    out = tmp_path / "sheet.png"
    monkeypatch.setattr(sys, "argv", ["transferline", "data", "diff", "colors", "--out", str(out)])
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().out == f"data/raw/colors, HEAD to the workspace: {words}\nwritten: {out}\n"
    assert frames(out) == {GREEN, PURPLE, ORANGE, BLUE}
    run("dvc", "add", "-q", RAW, cwd=project)
    commit(project)
    assert describe_changes(diff(project, "colors", "HEAD~1..HEAD"), "colors").endswith(f"HEAD~1 to HEAD: {words}")
    assert str(diff(project, "colors", None).difference) == "no difference"
    shutil.rmtree(RAW)
    assert str(diff(project, "colors", "HEAD~1..").difference) == words
    with pytest.raises(TransferlineError, match=r"data/raw/colors is missing; `dvc checkout"):
        diff(project, "colors", "HEAD~1")
    with pytest.raises(TransferlineError, match="nowhere is not a revision of this repository"):
        diff(project, "colors", "nowhere..HEAD")

    cache = open_cache(project)
    gone = recorded_files(cache, "colors", "HEAD~1")["red/0.png"]
    cache.find(gone).unlink()
    assert draw_difference(diff(project, "colors", "HEAD~1..HEAD"), "colors", out) == 1
    cache.find(recorded_hash(project, "colors", "HEAD~1")).unlink()
    with pytest.raises(
        TransferlineError, match=r"colors\.dvc of HEAD~1 names the version .*cannot be fetched: .*remote"
    ):
        diff(project, "colors", "HEAD~1..HEAD")


def frames(sheet):
    pixels = np.asarray(Image.open(sheet).convert("RGB")).reshape(-1, 3)
    there = {"#{:02x}{:02x}{:02x}".format(*color) for color in np.unique(pixels, axis=0).tolist()}
    return there & {GREEN, PURPLE, ORANGE, BLUE}


@pytest.mark.slow
def test_an_old_version_is_fetched_from_the_remote(project, tmp_path):
    run("dvc", "remote", "add", "-q", "-d", "store", tmp_path / "store", cwd=project)
    run("dvc", "push", "-q", FILE, cwd=project)
    picture(RAW / "red/new.png", 1)
    run("dvc", "add", "-q", RAW, cwd=project)
    commit(project)
    cache = open_cache(project)
    cache.find(recorded_hash(project, "colors", "HEAD~1")).unlink()
    assert str(diff(project, "colors", "HEAD~1..HEAD").difference) == "+1 image: red +1"
