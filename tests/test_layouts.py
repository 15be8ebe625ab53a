"""The layouts of multilabel problems: tables of 0 and 1, columns of labels, and PASCAL VOC."""

from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from transferline.datasets.layouts.layout_table import LAYOUTS, list_dataset
from transferline.datasets.layouts.listing import Listing
from transferline.errors import TransferlineError
from transferline.params import Csv, Layout, Voc

FLAGS = Csv(kind="csv", file="labels.csv", path_column="file", label_columns=("10", "2"), split_column=None)
LABELS = Csv(
    kind="csv", file="labels.csv", path_column="file", label_column="tags", separator=";", split_column="split"
)
VOC = {"kind": "voc", "labels": "annotations", "train": None, "validation": None, "test": None}
IN_LISTS = {**VOC, "train": "Main/train", "validation": "Main/val", "test": "Main/test"}


def voc(**changes: Any) -> Voc:
    return Voc.model_validate({**VOC, **changes})


def write(raw: Path, **files: str) -> Path:
    """Files by path; `__` stands for a slash, the last `_` for the dot of the suffix."""
    for name, text in files.items():
        folder, _, last = name.rpartition("__")
        path = raw / folder.replace("__", "/") / ".".join(last.rsplit("_", 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return raw


def rows(listing: Listing) -> dict[str, tuple[str | None, str | None]]:
    files = listing.files
    return {path: (label, given) for path, label, given in files.itertuples(index=False)}


def annotation(*names: str, difficult: str = "") -> str:
    objects = "".join(f"<object><name>{name}</name><difficult>0</difficult></object>" for name in names)
    hard = f"<object><name>{difficult}</name><difficult>1</difficult></object>" if difficult else ""
    return f"<annotation>{objects}{hard}</annotation>"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Four images and annotations of three of them."""
    write(tmp_path, **{f"JPEGImages__{name}_jpg": "" for name in "abcd"}, SegmentationClass__a_png="")
    return write(
        tmp_path,
        Annotations__a_xml=annotation("dog", "cat", "dog"),
        Annotations__b_xml=annotation("cat", difficult="dog"),
        Annotations__c_xml=annotation(difficult="dog"),
    )


def test_each_layout_of_the_params_is_read_and_proposed() -> None:
    (union, _) = get_args(Layout)
    assert {get_args(one.model_fields["kind"].annotation)[0] for one in get_args(union)} == set(LAYOUTS)


def test_a_table_or_a_column_that_is_not_there_is_named_with_what_is(tmp_path: Path) -> None:
    write(tmp_path, other_csv="file,2\n")
    with pytest.raises(TransferlineError, match=r"labels\.csv: no such table; .* \(there are: other\.csv\)"):
        list_dataset(tmp_path, FLAGS)
    write(tmp_path, labels_csv="file,2\n")
    with pytest.raises(TransferlineError, match=r"has no column 10; its columns are file, 2"):
        list_dataset(tmp_path, FLAGS)


def test_columns_of_0_and_1_become_labels_in_class_order(tmp_path: Path) -> None:
    write(tmp_path, labels_csv="file,10,2,note\na.jpg,1,1,x\nb.jpg,0,0,\ngone.jpg,1,0,\n", a_jpg="", b_jpg="", c_jpg="")
    listing = list_dataset(tmp_path, FLAGS)
    assert rows(listing) == {
        "a.jpg": ("2|10", None),
        "b.jpg": ("", None),
        "c.jpg": (None, None),
        "gone.jpg": ("10", None),
    }
    assert listing.classes == ("10", "2")


def test_cells_that_are_neither_0_nor_1_are_named_all_at_once(tmp_path: Path) -> None:
    write(tmp_path, labels_csv="file,10,2\na.jpg,1,1.5\nb.jpg,,0\n../c.jpg,0,x\n")
    with pytest.raises(TransferlineError) as error:
        list_dataset(tmp_path, FLAGS)
    assert str(error.value).splitlines() == [
        f"{tmp_path / 'labels.csv'}:",
        "  paths that leave the dataset's folder: row 4 ('../c.jpg')",
        "  row 2 (a.jpg), column 2: '1.5' is neither 0 nor 1",
        "  row 3 (b.jpg), column 10: '' is neither 0 nor 1",
        "  row 4 (../c.jpg), column 2: 'x' is neither 0 nor 1",
    ]


def test_a_column_of_labels_is_separated(tmp_path: Path) -> None:
    write(tmp_path, labels_csv="file,tags,split\na.jpg,10; 2;10,train\nb.jpg,,val\nc.jpg,2;,Test\n", a_jpg="")
    assert rows(list_dataset(tmp_path, LABELS)) == {
        "a.jpg": ("2|10", "train"),
        "b.jpg": ("", "validation"),
        "c.jpg": ("2", "test"),
    }


def test_the_sign_between_labels_and_unknown_splits_are_refused(tmp_path: Path) -> None:
    write(tmp_path, labels_csv="file,tags,split\na.jpg,x|y;z,later\n")
    with pytest.raises(
        TransferlineError,
        match=r"(?s)splits other than train, .*row 2 \('later'\).*names of classes .*row 2 \('x\|y'\)",
    ):
        list_dataset(tmp_path, LABELS)
    flags = FLAGS.model_copy(update={"label_columns": ("a|b", "c")})
    write(tmp_path, labels_csv="file,a|b,c\na.jpg,0,1\n")
    with pytest.raises(TransferlineError, match=r"names of columns with \|, which separates .*: 'a\|b'"):
        list_dataset(tmp_path, flags)
    write(tmp_path, JPEGImages__a_jpg="", Annotations__a_xml=annotation("x|y"))
    with pytest.raises(TransferlineError, match=r"the class 'x\|y' holds \|"):
        list_dataset(tmp_path, voc())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"kind": "voc", "labels": "annotations", "train": "Main/train", "validation": None, "test": None},
            "for train",
        ),
        ({**FLAGS.model_dump(), "label_columns": ("a", "b", "a")}, "more than once: a"),
        ({**FLAGS.model_dump(), "label_column": "tags"}, "either label_column or label_columns"),
    ],
)
def test_layouts_that_contradict_themselves_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Layout).validate_python(change)


def test_objects_of_annotations_are_labels_unless_they_are_difficult(raw: Path) -> None:
    write(raw, Annotations__gone_xml=annotation("cat"))
    assert rows(list_dataset(raw, voc())) == {
        "JPEGImages/a.jpg": ("cat|dog", None),
        "JPEGImages/b.jpg": ("cat", None),
        "JPEGImages/c.jpg": ("", None),
        "JPEGImages/d.jpg": (None, None),
        "JPEGImages/gone.jpg": ("cat", None),
    }


@pytest.mark.parametrize("labels", ["annotations", "masks"])
def test_names_of_voc_are_found_in_any_unicode_form(labels: Any, tmp_path: Path) -> None:
    files = {"JPEGImages__e\u0301_jpg": "", "SegmentationClass__\u00e9_png": "", "JPEGImages__b_jpg": ""}
    lists = {"ImageSets__Main__train_txt": "\u00e9\n", "ImageSets__Main__val_txt": "b\n"}
    write(tmp_path, **files, **lists, **{f"Annotations__{name}_xml": annotation("dog") for name in ("\u00e9", "b")})
    found = list_dataset(tmp_path, voc(labels=labels, train="Main/train", test="Main/val"))
    labelled = found.files[found.files["label"].notna()]
    assert labelled["path"].tolist() == ["JPEGImages/b.jpg", "JPEGImages/e\u0301.jpg"]
    if labels == "masks":
        assert found.files["mask"].dropna().tolist() == ["SegmentationClass/b.png", "SegmentationClass/\u00e9.png"]


def test_lists_give_the_splits_and_say_which_images_count(raw: Path) -> None:
    lists = {"train": "a\nd\n", "val": "b", "test": "gone\r\n"}
    write(raw, **{f"ImageSets__Main__{name}_txt": text for name, text in lists.items()})
    assert rows(list_dataset(raw, voc(**IN_LISTS))) == {
        "JPEGImages/a.jpg": ("cat|dog", "train"),
        "JPEGImages/b.jpg": ("cat", "validation"),
        "JPEGImages/c.jpg": (None, None),
        "JPEGImages/d.jpg": (None, "train"),
        "JPEGImages/gone.jpg": (None, "test"),
    }


def test_lists_of_classes_are_labels(raw: Path) -> None:
    lists = {"cat_trainval": "a 1\nb -1\nc  0\n", "hot_dog_train": "a 1\nb 1\n", "hot_dog_val": "c -1", "train": "a"}
    write(raw, **{f"ImageSets__Main__{name}_txt": text for name, text in lists.items()})
    listing = list_dataset(raw, voc(labels="image_sets"))
    assert rows(listing) == {
        "JPEGImages/a.jpg": ("cat|hot_dog", None),
        "JPEGImages/b.jpg": ("hot_dog", None),
        "JPEGImages/c.jpg": ("", None),
        "JPEGImages/d.jpg": (None, None),
    }
    assert listing.classes == ("cat", "hot_dog")


def test_faults_of_voc_are_named_all_at_once(raw: Path) -> None:
    write(
        raw,
        JPEGImages__a_png="",
        Annotations__a_xml="<annotation><object>",
        Annotations__b_xml="<annotation><object><name> </name></object></annotation>",
        ImageSets__Main__train_txt="a\nb\n../c",
        ImageSets__Main__test_txt="a",
    )
    with pytest.raises(TransferlineError) as error:
        list_dataset(raw, voc(**IN_LISTS))
    for fault in (
        "JPEGImages/a.jpg and JPEGImages/a.png have the same name",
        "no list ImageSets/Main/val.txt for validation; there are: Main/test, Main/train",
        "Main/train.txt: '../c' is a path",
        "Main/test.txt: a is in the list of train too",
        "Annotations/a.xml: no element found",
        "Annotations/b.xml: an object without a name",
    ):
        assert fault in str(error.value)


def test_faults_of_lists_of_classes_are_named_all_at_once(raw: Path) -> None:
    lists = {"cat_train": "a 1\nb 1\nc yes", "cat_val": "a -1", "dog_train": "a 1"}
    write(raw, **{f"ImageSets__Main__{name}_txt": text for name, text in lists.items()})
    with pytest.raises(TransferlineError) as error:
        list_dataset(raw, voc(labels="image_sets"))
    for fault in (
        "Main/cat_train.txt: 'c yes' is not a name followed by 1, 0 or -1",
        "Main/cat_val.txt: a has another value in another list of cat",
        "Main: b is in no list of dog",
    ):
        assert fault in str(error.value)


def test_missing_folders_and_empty_lists_of_voc_are_named(tmp_path: Path) -> None:
    with pytest.raises(TransferlineError, match=r"(?s)no folder JPEGImages\n.*no folder ImageSets/Main\n.*no list"):
        list_dataset(tmp_path, voc(labels="image_sets"))
    write(tmp_path, **{f"ImageSets__Main__{name}_txt": "" for name in ("train", "val", "test")})
    with pytest.raises(TransferlineError, match=r"ImageSets/Main/train\.txt is empty"):
        list_dataset(tmp_path, voc(**IN_LISTS))


def test_an_annotation_that_blows_up_is_not_unpacked(raw: Path) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE a [<!ENTITY e0 "dog">{entities}]><annotation><object><name>&e11;</name></object></annotation>'
    write(raw, Annotations__a_xml=bomb)
    with pytest.raises(TransferlineError, match=r"Annotations/a\.xml: limit on input amplification factor"):
        list_dataset(raw, voc())
