"""Names of files, classes and params that are unusual: hidden, not UTF-8, similar, dates, with NUL."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from transferline import params
from transferline.datasets.checks.similar_names import similar_names
from transferline.datasets.file_names import is_hidden, is_image, is_image_file
from transferline.datasets.layouts.contents import read_contents_of
from transferline.errors import TransferlineError
from transferline.models.exported import load_model, read_card
from transferline.params.load import parse_params
from transferline.prediction.found_images import find_images
from transferline.serving.inputs import read_request
from transferline.text import printable, reason_of

SYSTEM = (
    *(
        ".DS_Store",
        "a/.hidden/1.png",
        "._1.png",
        "__MACOSX/1.png",
        "a/.ipynb_checkpoints/1.png",
        "Thumbs.db",
        "THUMBS.DB",
    ),
    *("a/@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg", "#recycle/1.png", "#snapshot/1.png", "@Recycle/1.png", "desktop.ini"),
    *("$RECYCLE.BIN/1.png", "System Volume Information/x", "lost+found/1.png", "1.png~", "~$labels.xlsx", "#1.png#"),
    *("1.png:Zone.Identifier", "a/__pycache__/b.pyc", "1.png@SynoEAStream"),
)
ORDINARY = (
    "a.b/1.png",
    "eaDir/1.png",
    "macosx/1.png",
    "#1/1.png",
    "lost/found.png",
    "thumbs.db.png",
    "a~b/1.png",
    "@home/1.png",
)


@pytest.mark.parametrize("path", SYSTEM)
def test_files_of_systems_and_programs_are_hidden(path: str) -> None:
    assert is_hidden(path) and not is_image(path)


@pytest.mark.parametrize("path", ORDINARY)
def test_names_of_people_are_not_hidden(path: str) -> None:
    assert not is_hidden(path) and is_image(path)


def picture(file: Path, format: str = "PNG") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(file, format=format)


def test_predict_and_data_add_find_the_same_images(tmp_path: Path) -> None:
    images = ("a/1.png", "a/2.JFIF", "a/3.pgm", "b/no_suffix", "b/5.jpg_large")
    formats = ("PNG", "JPEG", "PPM", "PNG", "JPEG")
    for name, format in zip(images, formats, strict=True):
        picture(tmp_path / name, format)
    for name in ("a/._1.png", "__MACOSX/._1.png", "a/.ipynb_checkpoints/1.png", "@eaDir/1.png"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("P1 is not a picture" * 0 + "notes")
    found = find_images([str(tmp_path)])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == sorted(images)
    assert read_contents_of(tmp_path).images == tuple(sorted(images))
    assert not is_image_file(tmp_path, "notes.txt")
    assert find_images([str(tmp_path / "a" / "*")]) == [tmp_path / name for name in images[:3]]
    assert [path.relative_to(tmp_path).as_posix() for path in find_images([str(tmp_path / "*")])] == sorted(images)
    assert [path.relative_to(tmp_path).as_posix() for path in find_images([str(tmp_path / "**")])] == sorted(images)
    assert find_images([str(tmp_path / "@eaDir" / "1.png")]) == [tmp_path / "@eaDir" / "1.png"]


def test_names_that_look_the_same_are_found_with_the_difference() -> None:
    found = similar_names(["cats", "cats ", "Cats", "train/caf\u00e9", "test/cafe\u0301", "dogs", "test/dogs"])
    assert {path: (other, difference.partition(" (")[0]) for path, (other, difference) in found.items()} == {
        "cats ": ("cats", "blanks"),
        "Cats": ("cats", "case"),
        "test/cafe\u0301": ("train/caf\u00e9", "Unicode form"),
    }


def test_bytes_that_are_not_utf8_are_escaped() -> None:
    assert printable(os.fsdecode(b"caf\xe9.png")) == r"caf\xe9.png" and printable("café 猫") == "café 猫"


@pytest.mark.parametrize("value", ["2024-11-05", "2024", "true"])
def test_a_dataset_named_by_a_date_or_a_number_is_one_message(value: str) -> None:
    text = (ROOT / "recipes" / "digits.yaml").read_text().replace("dataset: digits", f"dataset: {value}")
    with pytest.raises(TransferlineError) as error:
        parse_params(text, Path("day.yaml"))
    shown = f"data.dataset: Input should be a valid string (got {value}); put it in quotes"
    assert str(error.value) == f"day.yaml: 1 fault(s)\n  {shown}"
    assert parse_params(text.replace(value, f"'{value[:4]}'"), Path("day.yaml")).data.dataset == value[:4]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ('seed: "a\\0b"', "seed: a text must not contain the character NUL"),
        ("? [1, 2]\n: 3", r"top level: the key \(1, 2\) is not a text"),
        ("again: &a [*a]", "cannot be read as YAML"),
        ("seed: !!binary aGVsbG8=", "seed: Input should be a valid string"),
    ],
)
def test_values_that_yaml_knows_and_json_does_not_are_one_message(change: str, match: str) -> None:
    with pytest.raises(TransferlineError, match=match):
        parse_params((ROOT / "recipes" / "digits.yaml").read_text() + f"\n{change}\n", Path("odd.yaml"))


def test_yes_is_a_name() -> None:
    text = (ROOT / "recipes" / "digits.yaml").read_text().replace("dataset: digits", "dataset: yes")
    assert parse_params(text, Path("yes.yaml")).data.dataset == "yes"


def test_no_reason_is_empty() -> None:
    assert (reason_of(OSError()), reason_of(ValueError("  ")), reason_of(ValueError("x"))) == (
        "OSError",
        "ValueError",
        "x",
    )


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'{"candidate": "x"}', None])
def test_a_damaged_card_is_one_message(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(TransferlineError, match=r"card\.json cannot be read: .+ Restore the file \(`dvc checkout`\)"):
        read_card(tmp_path)


@pytest.mark.parametrize("content", [b"", b"TFL3", b"version https://git-lfs.github.com/spec/v1\n", bytes(1000), None])
def test_a_damaged_model_is_one_message(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "model.tflite").write_bytes(content)
    with pytest.raises(TransferlineError, match=r"model\.tflite cannot be read: .+ Restore the file"):
        load_model(tmp_path)


@pytest.mark.parametrize("words", [("--help",), ("params",)])
def test_a_closed_pipe_is_no_traceback(words: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    done: Any = subprocess.run(
        [sys.executable, "-m", "transferline", *words], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert done.returncode in (0, 141) and done.stderr == ""  # argparse ignores a closed pipe


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,", " DATA:image/png;name=a.png;base64, "])
def test_base64_may_have_line_breaks_and_the_prefix_of_a_data_url(prefix: str, tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    text = prefix + base64.encodebytes((tmp_path / "1.png").read_bytes()).decode()
    image = params.Image(size=32, color="grayscale", resize="stretch")
    assert (read_request(json.dumps({"instances": [text]}).encode(), "application/json", image)[0] == 0).all()
