"""The columns that `data add` finds in a table, and why it refuses one."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.test_layouts import rows, write
from tests.test_table_files import put
from transferline.datasets.layout_proposal import describe_folder, inspect_folder
from transferline.datasets.layouts.layout_table import list_dataset
from transferline.params import Csv

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
        ("file,label\n" + "1.png,a\n" * 3 + "2.png,b\n" * 3, r"an image has several rows \(rows 2, 3, 4, 5, 6 and 1"),
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
