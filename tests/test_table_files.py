"""Tables of people: separators, encodings, blanks, paths without folder or suffix, one table per split."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.test_layouts import rows, write
from transferline.datasets.layout_proposal import inspect_folder
from transferline.datasets.layouts.layout_table import list_dataset
from transferline.datasets.layouts.table_file import read_table_file
from transferline.errors import TransferlineError
from transferline.params import Csv

PLAIN = "image,label\na.png,café\nb.png,dog\n"
NAMES = Csv(kind="csv", file="labels.csv", path_column="image", label_column="label")


def put(folder: Path, **files: str | bytes) -> Path:
    """Files at the top, by name; `_` stands for the dot."""
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace(",", "\t").encode(),
        PLAIN.replace(",", "|").encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        b"\xfe\xff" + PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("cp1252"),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.replace("\n", ",\n").encode(),
        PLAIN.replace("\n", ",,\n").encode(),
        PLAIN.replace(",", " , ").encode(),
        ("\n\n" + PLAIN.replace("\n", "\n ,\n\n")).encode(),
        PLAIN.replace("a.png,café", '"a.png", "café"').encode(),
        b"sep=;\r\n" + PLAIN.replace(",", ";").encode(),
    ],
)
def test_every_usual_form_of_a_table_is_read(content: bytes, tmp_path: Path) -> None:
    table = read_table_file(put(tmp_path, labels_csv=content) / "labels.csv")
    assert table.columns == ("image", "label")
    assert table.rows == ({"image": "a.png", "label": "café"}, {"image": "b.png", "label": "dog"})


@pytest.mark.parametrize("word", ["20 °C", "3 µm", "12 €", "„gut“", "x²", "été", "« été »", "5 ± 1", "½ l", "Größe…"])
def test_the_usual_signs_of_windows_are_read(word: str, tmp_path: Path) -> None:
    content = f"image,label\na.png,{word}\n".encode("cp1252")
    assert read_table_file(put(tmp_path, labels_csv=content) / "labels.csv").rows[0]["label"] == word


@pytest.mark.parametrize(
    ("encoding", "word"),
    [
        ("cp1251", "кошка"),
        ("gbk", "小狗"),
        ("gbk", "车"),
        ("gbk", "安全"),
        ("shift_jis", "ねこ"),
        ("cp1253", "σκύλος"),
        ("cp1250", "żółć"),
    ],
)
def test_an_unknown_encoding_is_refused_with_its_line(encoding: str, word: str, tmp_path: Path) -> None:
    put(tmp_path, labels_csv=f"image,label\na.png,dog\nb.png,{word}\n".encode(encoding))
    with pytest.raises(
        TransferlineError, match=r"labels\.csv cannot be read as a table: line 3 .* save the table as UTF"
    ):
        read_table_file(tmp_path / "labels.csv")


def test_rows_are_numbered_as_in_a_spreadsheet(tmp_path: Path) -> None:
    put(tmp_path, labels_csv='image,label\n\n"a\nb.png",x\nc.png,x,y\n')
    with pytest.raises(TransferlineError, match="row 4 has 3 values for 2 columns"):
        read_table_file(tmp_path / "labels.csv")
    put(tmp_path, labels_csv='image,label\na.png,"x\n')
    with pytest.raises(TransferlineError, match=r"row 2: .*check its quotes"):
        read_table_file(tmp_path / "labels.csv")
    put(tmp_path, labels_csv="image,label,label\n")
    with pytest.raises(TransferlineError, match="more than one column label"):
        read_table_file(tmp_path / "labels.csv")
    for empty in ("", "\n \n", ",,\n"):
        with pytest.raises(TransferlineError, match="it has no rows"):
            read_table_file(put(tmp_path, labels_csv=empty) / "labels.csv")


def test_blanks_around_labels_make_no_classes(tmp_path: Path) -> None:
    put(tmp_path, labels_csv="image , label\na.png,cat\nb.png,cat \n c.png,\tcat\n", a_png="", b_png="", c_png="")
    labels = {label for label, _ in rows(list_dataset(tmp_path, NAMES)).values()}
    assert labels == {"cat"}


def test_paths_can_lack_the_folder_and_the_suffix(tmp_path: Path) -> None:
    write(tmp_path, train__1_png="", train__2_png="")
    put(tmp_path, labels_csv="image,label\n1,x\n2,y\n")
    with pytest.raises(TransferlineError, match=r"2 of 2 paths in column image are not there, such as 1; 2 images of"):
        list_dataset(tmp_path, NAMES)
    with pytest.raises(TransferlineError, match=r"set data\.layout\.folder to train and data\.layout\.suffix to \.png"):
        list_dataset(tmp_path, NAMES)
    layout = NAMES.model_copy(update={"folder": "train", "suffix": ".png"})
    assert rows(list_dataset(tmp_path, layout)) == {"train/1.png": ("x", None), "train/2.png": ("y", None)}
    assert inspect_folder(tmp_path).layout == Csv.model_validate(layout.model_dump(exclude_none=True))


def test_paths_in_another_case_are_named_with_the_file(tmp_path: Path) -> None:
    put(tmp_path, labels_csv="image,label\n1.jpg,x\n2.jpg,y\n", **{"1_JPG": "", "2_JPG": ""})
    match = r"column image names images in another case: 1\.jpg, but there is 1\.JPG; correct the table"
    with pytest.raises(TransferlineError, match=f"2 of 2 paths in column image are not there, such as 1.jpg; {match}"):
        list_dataset(tmp_path, NAMES)
    assert re.fullmatch(f"labels.csv: {match}", inspect_folder(tmp_path).reasons["csv"])


def test_backslashes_and_decomposed_accents_name_the_same_files(tmp_path: Path) -> None:
    write(tmp_path, **{"train__cafe\u0301_png": "", "train__b_png": ""})
    put(tmp_path, labels_csv="image,label\ntrain\\café.png,x\n./train/b.png,y\n")
    assert list(rows(list_dataset(tmp_path, NAMES)).values()) == [("y", None), ("x", None)]
    assert inspect_folder(tmp_path).layout == Csv.model_validate(NAMES.model_dump(exclude_none=True))


@pytest.mark.parametrize(("there", "cell"), [("e\u0301", "\u00e9"), ("\u00e9", "e\u0301")])
def test_a_table_is_proposed_whatever_the_form_of_its_accents(there: str, cell: str, tmp_path: Path) -> None:
    write(tmp_path, **{f"{there}t{there}__{n}{there}_png": "" for n in (1, 2)})
    put(tmp_path, labels_csv=f"image,label\n1{cell},x\n2{cell},y\n")
    layout: Any = inspect_folder(tmp_path).layout
    assert layout.suffix == ".png" and layout.folder
    assert list(rows(list_dataset(tmp_path, layout)).values()) == [("x", None), ("y", None)]


def test_rows_without_a_path_or_with_one_that_cannot_be_are_named(tmp_path: Path) -> None:
    put(tmp_path, labels_csv="image,label\n,x\na.png,x\na.png,y\nb\0.png,x\n", a_png="")
    with pytest.raises(TransferlineError) as error:
        list_dataset(tmp_path, NAMES)
    assert str(error.value).splitlines()[1:] == [
        "  rows without a path: row 2",
        "  paths with a character that file names cannot have: row 5",
        "  paths that are listed more than once: row 3 ('a.png'), row 4 ('a.png')",
    ]


def test_each_split_can_have_its_table(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        write(tmp_path, **{f"{split}__1_png": "", f"{split}__2_png": ""})
        (tmp_path / split / "_classes.csv").write_text("filename, cat, dog\n1.png, 1, 0\n2.png, 0.0, 1.0\n")
    layout: Any = inspect_folder(tmp_path).layout
    assert layout.model_dump(exclude_unset=True) == {
        "kind": "csv",
        "train": {"file": "train/_classes.csv", "folder": "train"},
        "validation": {"file": "valid/_classes.csv", "folder": "valid"},
        "test": {"file": "test/_classes.csv", "folder": "test"},
        "path_column": "filename",
        "label_columns": ("cat", "dog"),
    }
    assert rows(list_dataset(tmp_path, layout)) == {
        **{f"test/{n}.png": (name, "test") for n, name in ((1, "cat"), (2, "dog"))},
        **{f"train/{n}.png": (name, "train") for n, name in ((1, "cat"), (2, "dog"))},
        **{f"valid/{n}.png": (name, "validation") for n, name in ((1, "cat"), (2, "dog"))},
    }


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"file": None}, "give either file, or tables of the splits"),
        ({"train": {"file": "a.csv"}}, "give either file, or tables of the splits"),
        ({"file": None, "train": {"file": "a.csv"}}, "give tables for train and test"),
        ({"file": None, "train": {"file": "a"}, "test": {"file": "b"}, "folder": "c"}, "give each table its folder"),
    ],
)
def test_a_layout_has_one_table_or_one_per_split(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        Csv.model_validate(NAMES.model_dump() | changes)
