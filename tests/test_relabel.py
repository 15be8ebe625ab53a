"""`transferline data relabel` and `data exclude`, and how DVC treats corrections."""

import csv
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import edit_yaml, make_multilabel, run
from tests.tiny_masks import FOLDERS, MASKS, make_segmented
from transferline.cli import main as cli
from transferline.datasets.remove import remove_photographs
from transferline.registry.version_files import changes

FILE = Path("data/corrections/colors.csv")


def data(*words: str) -> None:
    """`transferline data WORDS` in this process; its message if it fails."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["transferline", "data", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
    if end.value.code:
        raise RuntimeError(end.value.code)


def rows(file: Path = FILE) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_the_commands_write_who_when_and_why(project, capsys):
    run("git", "config", "user.name", "Ann", cwd=project)
    run("git", "config", "user.email", "ann@example.org", cwd=project)
    data("relabel", "colors", "red/0.png", "blue", "--reason", 'more blue, "really"')
    assert "data/corrections/colors.csv: red/0.png: red -> blue" in capsys.readouterr().out
    data("exclude", "colors", "data/raw/colors/red/1.png", "--reason", "blurred")
    said = capsys.readouterr().out
    assert "red/1.png: red -> left out" in said and "commit data/corrections/colors.csv" in said
    assert FILE.read_text().startswith("image,label,who,when,why,never_test\n") and len(rows()) == 2
    first, second = rows()
    assert (first["image"], first["label"], first["why"]) == ("red/0.png", "blue", 'more blue, "really"')
    assert first["who"] == "Ann <ann@example.org>" and first["never_test"] == ""
    age = datetime.now(UTC) - datetime.fromisoformat(first["when"])
    assert timedelta(0) <= age + timedelta(seconds=1) < timedelta(minutes=1)
    assert (second["image"], second["label"]) == ("red/1.png", "")
    assert FILE.as_posix() in changes(project).decode(), "the patch of a version holds the corrections"


def test_a_path_is_taken_as_typed(project, monkeypatch):
    data("exclude", "colors", str(project / "data/raw/colors/red/0.png"), "--reason", "x")
    monkeypatch.chdir(project / "data/raw/colors/red")
    data("exclude", "colors", "1.png", "--reason", "x")
    monkeypatch.chdir(project / "data/raw/colors/red")
    data("exclude", "colors", "../blue/2.png", "--reason", "x")
    monkeypatch.chdir(project / "data/raw/colors/red")
    data("exclude", "colors", "green/3.png", "--reason", "x")
    (project / "data/raw/colors/red/4.png").rename(project / "elsewhere.png")
    (project / "data/raw/colors/red/4.png").symlink_to(project / "elsewhere.png")
    data("exclude", "colors", "data/raw/colors/red/4.png", "--reason", "x")
    names = ["red/0.png", "red/1.png", "blue/2.png", "green/3.png", "red/4.png"]
    assert [row["image"] for row in rows()] == names


def test_a_path_and_a_class_are_found_in_any_unicode_form(project):
    (project / "data/raw/colors/red/0.png").rename(project / "data/raw/colors/red/gru\u0308n.png")
    (project / "data/raw/colors/green").rename(project / "data/raw/colors/gru\u0308n")
    data("relabel", "colors", "red/gr\u00fcn.png", "gr\u00fcn", "--reason", "x")
    assert [(row["image"], row["label"]) for row in rows()] == [("red/gru\u0308n.png", "gru\u0308n")]
    run("dvc", "add", "-q", "data/raw/colors", cwd=project)
    assert remove_photographs(project, "colors", ["gr\u00fcn"]).startswith("-40 images: gru\u0308n -40 (class gone)")


def test_all_mistakes_are_named_and_nothing_is_written(project):
    with pytest.raises(RuntimeError) as error:
        data("relabel", "colors", "red/00.png", "bleu", "--reason", " ")
    for part in (
        "data/raw/colors has no image red/00.png; similar paths are red/0.png",
        "is blue meant?",
        "the reason is empty",
    ):
        assert part in str(error.value)
    for words, message in (
        (("red/0.png", "red"), "red/0.png has the label red already"),
        (("../../params.yaml", "red"), "has no image"),
    ):
        with pytest.raises(RuntimeError, match=message):
            data("relabel", "colors", *words, "--reason", "x")
    with pytest.raises(RuntimeError, match=r"colour: no such folder.*there are: colors"):
        data("exclude", "colour", "red/0.png", "--reason", "x")
    assert not FILE.exists()
    FILE.write_text("image,label\n")
    with pytest.raises(RuntimeError, match="no column who"):
        data("exclude", "colors", "red/0.png", "--reason", "x")
    assert FILE.read_text() == "image,label\n"


def test_other_rows_stay_as_they_are_and_a_correction_can_be_taken_back(project, capsys):
    before = (
        b"\xef\xbb\xbfwhy,image,label,who,when,never_test\r\n\r\n old ,blue/7.png, red,,,\r\nlast,blue/8.png,,,,yes"
    )
    FILE.write_bytes(before)
    data("relabel", "colors", "blue/7.png", "blue", "--reason", "was right")
    data("relabel", "colors", "blue/8.png", "green", "--reason", "is green")
    assert "left out -> green, never in the test split" in capsys.readouterr().out
    after = FILE.read_bytes()
    assert after.startswith(before + b"\r\n") and after.count(b"\r\n") == 6 and after.endswith(b",yes\r\n")
    assert after.split(b"\r\n")[4].startswith(b"was right,blue/7.png,blue,")
    with pytest.raises(RuntimeError, match="has the label blue already"):
        data("relabel", "colors", "blue/7.png", "blue", "--reason", "again")
    data("relabel", "colors", "blue/7.png", "blue", "--reason", "shown to customers", "--never-test")
    data("exclude", "colors", "blue/7.png", "--reason", "x")
    with pytest.raises(RuntimeError, match="left out already"):
        data("exclude", "colors", "blue/7.png", "--reason", "x")
    assert not list(FILE.parent.glob("*.partial"))


def test_several_labels_and_masks(project):
    layout = make_multilabel(project / "data/raw/several", "csv", count=8)
    make_segmented(project / "data/raw/masked", FOLDERS, 4)
    data("relabel", "several", "JPEGImages/00000.png", "red|blue", "--reason", "x")
    data("relabel", "several", "JPEGImages/00007.png", "|", "--reason", "x")
    with pytest.raises(RuntimeError, match="has the label blue already"):
        data("relabel", "several", "JPEGImages/00001.png", "blue", "--reason", "x")
    assert [row["label"] for row in rows(FILE.with_name("several.csv"))] == ["blue|red", "|"]
    assert layout["label_columns"] == ["blue", "green", "red"]

    shutil.copy(project / "recipes/camvid.yaml", project / "params.yaml")
    edit_yaml(project / "params.yaml", lambda tree: tree["data"].update(dataset="masked", layout=FOLDERS, masks=MASKS))
    data("exclude", "masked", "images/01.png", "--reason", "x")
    with pytest.raises(RuntimeError, match="a mask cannot be corrected here"):
        data("relabel", "masked", "images/02.png", "red", "--reason", "x")


@pytest.mark.slow
def test_a_correction_reruns_validate_and_what_follows_only_with_another_manifest(trained_copy):
    project = trained_copy
    raw = {path: path.stat().st_mtime_ns for path in (project / "data/raw").rglob("*")}
    data("relabel", "colors", "red/0.png", "blue", "--reason", "x")
    ran = run("dvc", "repro", "augment", cwd=project).stdout
    assert "Running stage 'validate'" in ran and "Running stage 'augment'" in ran
    manifest = pd.read_parquet(project / "data/manifest.parquet").set_index("path")
    assert manifest["label"]["red/0.png"] == "blue"
    FILE.write_text(FILE.read_text().replace(",x,", ",another reason,"))
    ran = run("dvc", "repro", "augment", cwd=project).stdout
    assert "Running stage 'validate'" in ran and "Stage 'augment' didn't change" in ran
    assert raw == {path: path.stat().st_mtime_ns for path in (project / "data/raw").rglob("*")}
    assert "?? data/corrections/" in run("git", "status", "--short", cwd=project).stdout
