"""`transferline data remove`: it deletes only what can be restored."""

import re
import shutil
import sys
from io import StringIO

import pytest

from tests.conftest import run
from tests.photographs import FILE, RAW, commit, nfiles, picture, snapshot
from transferline.cli import main as cli
from transferline.datasets.add import add
from transferline.datasets.own_datasets import corrections_file
from transferline.datasets.relabel import correct
from transferline.datasets.remove import remove_dataset, remove_photographs
from transferline.datasets.versions import open_cache, recorded_files
from transferline.errors import TransferlineError


@pytest.mark.slow
def test_photographs_are_removed_only_if_they_can_be_had_again(project):
    for paths, match in (
        (["red/1.png", "rot"], "not in data/raw/colors: rot"),
        (["red", "green", "data/raw/colors/blue/"], "that is all of colors"),
    ):
        with pytest.raises(TransferlineError, match=match):
            remove_photographs(project, "colors", paths)
    picture(RAW / "red/unsaved.png", 1)
    with pytest.raises(TransferlineError, match=r"red/unsaved\.png: .*version it first with `dvc add data/raw/colors`"):
        remove_photographs(project, "colors", ["red/unsaved.png"])
    assert (RAW / "red/unsaved.png").exists()
    (RAW / "red/unsaved.png").unlink()
    said = remove_photographs(project, "colors", ["red", "data/raw/colors/blue/3.png"])
    assert said.startswith("-41 images: blue -1, red -40 (class gone)\nback: `git checkout ")
    assert nfiles(FILE) == len(snapshot(RAW)) == 79 and not (RAW / "red").exists()
    back = re.search("`(.*)`", said)[1]
    run("sh", "-c", back, cwd=project)
    assert len(snapshot(RAW)) == 120


@pytest.mark.slow
def test_a_dataset_is_removed_only_if_it_can_be_had_again(project, monkeypatch, capsys):
    before, shown = snapshot(RAW.parent), []
    assert remove_dataset(project, "colors", lambda listing: bool(shown.append(listing))) == "nothing was removed"
    assert "120 images (blue 40, green 40, red 40), 0 other files\nparams.yaml trains on it" in shown[0]
    monkeypatch.setattr(sys, "argv", ["transferline", "data", "remove", "colors"])
    monkeypatch.setattr(sys, "stdin", StringIO())
    with pytest.raises(SystemExit, match="there is no terminal for the question; add --yes"):
        cli.main()
    cache = open_cache(project)
    lost = cache.find(recorded_files(cache, "colors")["red/0.png"])
    content = lost.read_bytes()
    lost.unlink()
    with pytest.raises(TransferlineError, match=r"neither DVC's cache nor the remote holds 1 of 120 files: red/0\.png"):
        remove_dataset(project, "colors", lambda _: True)
    lost.write_bytes(content)
    picture(RAW / "red/new.png", 1)
    with pytest.raises(TransferlineError, match="was changed since its last version"):
        remove_dataset(project, "colors", lambda _: True)
    run("dvc", "add", "-q", RAW, cwd=project)
    with pytest.raises(TransferlineError, match="no commit holds this"):
        remove_dataset(project, "colors", lambda _: True)
    (RAW / "red/new.png").unlink()
    run("dvc", "add", "-q", RAW, cwd=project)
    assert snapshot(RAW.parent) == before
    said = remove_dataset(project, "colors", lambda _: True)
    assert not RAW.exists() and not FILE.exists()
    run("sh", "-c", re.search("`(.*)`", said)[1], cwd=project)
    assert snapshot(RAW.parent) == before


def test_the_corrections_of_a_dataset_go_with_it_and_do_not_change_another(project, tmp_path):
    file, shown = corrections_file("colors"), []
    correct(project, "colors", (project, "red/1.png"), "blue", "it is blue", never_test=False)
    with pytest.raises(
        TransferlineError, match=r"no commit holds this data/corrections/colors\.csv, .*commit it first"
    ):
        remove_dataset(project, "colors", lambda _: True)
    commit(project)
    before = snapshot(project / "data")
    assert remove_dataset(project, "colors", lambda listing: bool(shown.append(listing))) == "nothing was removed"
    assert "\ndata/corrections/colors.csv: its corrections go, too" in shown[0] and file.exists()
    said = remove_dataset(project, "colors", lambda _: True)
    assert said.startswith(
        "removed data/raw/colors and data/raw/colors.dvc and data/corrections/colors.csv; back: `git"
    )
    assert not file.exists() and not FILE.exists() and list(RAW.parent.iterdir()) == []
    run("sh", "-c", re.search("`(.*)`", said)[1], cwd=project)
    assert snapshot(project / "data") == before
    run("dvc", "remove", "-q", FILE, cwd=project)  # as without transferline
    shutil.move(RAW, tmp_path / "photos")
    with pytest.raises(TransferlineError, match=r"^data/corrections/colors\.csv would change labels of these images"):
        add(str(tmp_path / "photos"), "colors", project, None)
    assert not RAW.exists()
