"""Tables of people: separators, encodings, blanks, paths without folder or suffix, one table per split."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.test_layouts import rows, write
from transferline.datasets.layout_proposal import describe_folder, inspect_folder
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


@pytest.mark.parametrize("encoding", ["cp1251", "gbk", "shift_jis", "cp1253", "cp1250"])
def test_an_unknown_encoding_is_refused_with_its_line(encoding: str, tmp_path: Path) -> None:
    word = {"cp1251": "кошка", "gbk": "小狗", "shift_jis": "ねこ", "cp1253": "σκύλος", "cp1250": "żółć"}[encoding]
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


PROPOSED: list[tuple[str, dict[str, Any]]] = [
    ("id,width,breed\n1,10,pug\n2,10,boxer\n3,20,pug\n4,20,boxer\n", {"label_column": "breed"}),
    ("name;colour\n1.png;red\n2.png;red\n3.png;blue\n4.png;blue\n", {"label_column": "colour"}),
    ("image,tags\n1.png,sky sea\n2.png,sky\n3.png,sea\n4.png,sea sky\n", {"label_column": "tags", "separator": " "}),
    ('image,label\n1.png,"a,b"\n2.png,a\n3.png,b\n4.png,"b,a"\n', {"label_column": "label", "separator": ","}),
    ("image,label\n1.png,a|b\n2.png,a\n3.png,b\n4.png,c\n", {"label_column": "label", "separator": "|"}),
    ("image,MEL,NV\n1,1.0,0.0\n2,0.0,1.0\n3,0.0,1.0\n4,1.0,0.0\n", {"label_columns": ("MEL", "NV")}),
    (
        "image,label,subset\n1,a,Training\n2,b,val\n3,a,test\n4,b,train\n",
        {"label_column": "label", "split_column": "subset"},
    ),
]

PLANTS = ("tomato healthy", "tomato blight", "tomato rust", "potato healthy", "potato blight", "potato rust")


@pytest.mark.parametrize("column", ["class", "species", "diagnosis", "Class", "status"])
def test_a_name_that_only_ends_like_a_plural_separates_no_labels(column: str, tmp_path: Path) -> None:
    names = 2 * PLANTS
    write(tmp_path, **{f"{n}_png": "" for n in range(len(names))})
    put(tmp_path, labels_csv=f"path,{column}\n" + "".join(f"{n}.png,{name}\n" for n, name in enumerate(names)))
    layout = inspect_folder(tmp_path).layout
    assert layout and layout.model_dump(exclude_unset=True) == {
        "kind": "csv",
        "file": "labels.csv",
        "path_column": "path",
        "label_column": column,
    }


@pytest.mark.parametrize(("text", "keys"), PROPOSED)
def test_the_columns_of_a_table_are_found(text: str, keys: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, **{f"all__{n}_png": "" for n in (1, 2, 3, 4)})
    (tmp_path / "meta.csv").write_text(text)
    layout: Any = inspect_folder(tmp_path).layout
    given = layout.model_dump(exclude_none=True)
    assert {key: given[key] for key in keys} == keys and given["folder"] == "all"
    assert [label for label, _ in rows(list_dataset(tmp_path, layout)).values()].count(None) == 0


@pytest.mark.parametrize(
    ("splits", "is_used"),
    [("train val train val", True), ("train train train train", False), ("val test val test", False)],
)
def test_a_column_of_splits_needs_train_and_another_one(splits: str, is_used: bool, tmp_path: Path) -> None:
    write(tmp_path, **{f"{n}_png": "" for n in (1, 2, 3, 4)})
    lines = [f"{n}.png,{'ab'[n % 2]},{split}\n" for n, split in enumerate(splits.split(), 1)]
    put(tmp_path, meta_csv="file,label,split\n" + "".join(lines))
    found = inspect_folder(tmp_path)
    assert isinstance(found.layout, Csv) and found.layout.split_column == ("split" if is_used else None)
    values = " or ".join(sorted({*splits.split()}))
    assert found.note == ("" if is_used else f"meta.csv: column split is not used: all its values are {values}")


@pytest.mark.parametrize(
    ("splits", "named"),
    [
        ("train,test,holdout,train", "'holdout' (1)"),
        ("train,test,,train", "'' (1)"),
        ("test,,,", "'' (3)"),
        ("train,val,later,later", "'later' (2)"),
    ],
)
def test_a_column_with_other_values_than_splits_is_not_left_out_silently(
    splits: str, named: str, tmp_path: Path
) -> None:
    write(tmp_path, **{f"{n}_png": "" for n in (1, 2, 3, 4)})
    lines = [f"{n}.png,{'ab'[n % 2]},{split}\n" for n, split in enumerate(splits.split(","), 1)]
    put(tmp_path, meta_csv="file,colour,subset\n" + "".join(lines))
    found = inspect_folder(tmp_path)
    assert found.layout == Csv(kind="csv", file="meta.csv", path_column="file", label_column="colour")
    assert f"meta.csv: column subset is not used: {named} are not splits. Without this column, images" in found.note
    assert found.note in describe_folder("x", found) and "data.layout.split_column to subset" in found.note


@pytest.mark.parametrize("values", [("train", "test"), ("train,test", "train,test")])
def test_tables_of_splits_can_have_a_column_of_splits(values: tuple[str, str], tmp_path: Path) -> None:
    for split, of_split in zip(("train", "test"), values, strict=True):
        write(tmp_path, **{f"{split}__{n}_png": "" for n in (1, 2)})
        lines = [f"{split}/{n}.png,{'ab'[n % 2]},{of_split.split(',')[n % 2 - 1]}\n" for n in (1, 2)]
        put(tmp_path, **{f"{split}_csv": "file,label,split\n" + "".join(lines)})
    layout: Any = inspect_folder(tmp_path).layout
    assert layout.split_column == ("split" if "," in values[0] else None)
    assert layout.file == ("test.csv" if "," in values[0] else None)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("1.png,a\n2.png,b\n3.png,a\n4.png,b\n", "its first row must hold the names of the columns, but holds 1.png"),
        ("file,label\nx.png,a\ny.png,b\n", r"no column names images of this dataset \(its columns are file, label\)"),
        ("file,label\n1.png,a\n2.png,b\n8.png,a\n9.png,b\n", "of 4 paths in column file there are 2 in all"),
        ("file,label\n1.png,a\n1.png,b\n2.png,a\n", r"an image has several rows \(rows 2, 3\)"),
        ("file,p,q\n1.png,a,c\n2.png,b,d\n3.png,a,c\n4.png,b,d\n", "no column .* must name one of p, q"),
        (
            "file,label\n1.PNG,a\n2.PNG,b\n3.PNG,c\n4.PNG,d\n",
            r"column file names images in another case: 1\.PNG, but there is all/1\.png; correct the table",
        ),
        (
            "label,file\na,All/1\nb,all/2\nc,all/3\n",
            "column file names images in another case: All/1, but there is all/1",
        ),
        ("file,label\n1.png,a\n2.png,a\n", "all its rows have the same label"),
    ],
)
def test_a_table_that_does_not_fit_is_named_with_the_reason(text: str, match: str, tmp_path: Path) -> None:
    write(tmp_path, **{f"all__{n}_png": "" for n in (1, 2, 3, 4)})
    (tmp_path / "meta.csv").write_text(text)
    found = inspect_folder(tmp_path)
    assert found.layout is None and not found.fault
    assert re.search(f"meta.csv: {match}", found.reasons["csv"])
