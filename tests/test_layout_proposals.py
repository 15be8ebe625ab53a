"""`data add` proposes a layout only if it fits the whole dataset, and else says for each layout why it does not fit."""

from pathlib import Path
from typing import Any

import pytest

from tests.test_data_add import make
from transferline.datasets import add as adding
from transferline.datasets.add import add
from transferline.datasets.layout_proposal import FolderContents, describe_folder, inspect_folder
from transferline.datasets.layouts.listing import split_of
from transferline.errors import TransferlineError
from transferline.params import ClassFolders, Csv

COCO = '{"info": {}, "images": [{"id": 1}], "annotations": [], "categories": []}'


@pytest.fixture
def without_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "_dvc_add", lambda target, root: None)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set", "test_set"),
        ("train_images", "test_images"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("TRAIN", "Validation"),
        ("TrainSet", "TestSet"),
        ("images_train", "images_val"),
        ("1_Train Data", "2_Test Data"),
    ],
)
def test_split_folders_are_found_by_their_usual_names(train: str, test: str, tmp_path: Path) -> None:
    make(tmp_path, *(f"{split}/{name}/1.jpg" for split in (train, test) for name in ("cat", "dog")), "README.md")
    layout = inspect_folder(tmp_path).layout
    assert layout and layout.model_dump(exclude_unset=True) == {
        "kind": "split_class_folders",
        "train": train,
        "validation": None,
        "test": test,
    }


def test_names_that_only_look_like_splits_are_classes(tmp_path: Path) -> None:
    assert [split_of(name) for name in ("training", "devil", "contest", "train station", "latest")] == [
        "train",
        *[None] * 4,
    ]
    make(tmp_path, "bus/1.jpg", "car/2.jpg", "train/3.jpg")
    layout = inspect_folder(tmp_path).layout
    assert layout and layout.kind == "class_folders"


@pytest.mark.parametrize(("images", "masks"), [("Images", "Masks"), ("imgs", "labels"), ("a/IMAGE", "a/Mask")])
def test_folders_of_images_and_masks_are_found_in_any_case(images: str, masks: str, tmp_path: Path) -> None:
    make(tmp_path, *(f"{folder}/{number}.png" for folder in (images, masks) for number in (1, 2)))
    layout = inspect_folder(tmp_path).layout
    wanted = {"kind": "image_mask_folders", "images": images, "masks": masks}
    assert layout and layout.model_dump(include={*wanted}) == wanted


@pytest.mark.parametrize(
    ("files", "kind", "match"),
    [
        (("train/1.jpg", "test/2.jpg"), "class_folders", "test, train look like splits, not like classes"),
        (("train/1.jpg", "test/2.jpg"), "split_class_folders", "train and test must hold a folder for each class"),
        (("1.jpg", "2.jpg"), "class_folders", "all images lie at the top"),
        (("a/1.jpg", "b/2.jpg", "3.jpg", "4.jpg"), "class_folders", "2 of 4 images lie at the top"),
        (("x/a/1.jpg", "x/b/1.jpg", "y/a/1.jpg", "y/b/1.jpg"), "class_folders", "each of x, y has the folders a, b"),
        (("train/images/1.jpg", "test/images/2.jpg"), "split_class_folders", "train has the folders images, which are"),
        (
            ("train/images/1.jpg", "train/masks/1.png", "test/images/2.jpg", "test/masks/2.png"),
            "image_mask_folders",
            "there are test/images and test/masks, train/images and train/masks; move them",
        ),
        (("1.jpg", "labels.xlsx"), "csv", "there is no table (*.csv, *.tsv); save labels.xlsx as a table in UTF-8"),
        (("JPEGImages/1.jpg", "JPEGImages/2.jpg"), "voc", "beside JPEGImages there are neither Annotations"),
    ],
)
def test_each_layout_that_does_not_fit_has_its_reason(
    files: tuple[str, ...], kind: str, match: str, tmp_path: Path
) -> None:
    found = inspect_folder(make(tmp_path, *files))
    assert found.layout is None and match in found.reasons[kind]
    assert f"  {kind}: {found.reasons[kind]}" in describe_folder("x", found).splitlines()


def test_a_folder_that_cannot_become_a_dataset_is_not_copied(
    tmp_path: Path, without_dvc: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "bring", lambda *arguments, **named: pytest.fail("copied"))
    yolo = make(tmp_path / "yolo", "images/train/1.jpg", "labels/train/1.txt", "data.yaml")
    (yolo / "labels" / "train" / "1.txt").write_text("0 0.5 0.5 0.1 0.1\n1 0.2 0.3 0.1 0.1\n")
    coco = make(tmp_path / "coco", "train/1.jpg", "valid/2.jpg")
    (coco / "train" / "_annotations.coco.json").write_text(COCO)
    make(tmp_path / "flat", "1.jpg", "2.jpg")
    make(tmp_path / "none", "README.md")
    for name, match in (
        ("yolo", "labels in the format of YOLO; no layout reads it. Make a table"),
        ("coco", r"train/_annotations\.coco\.json has labels in the format of COCO"),
        ("flat", "(?s)nothing was added: no layout fits.*class_folders: .*all images lie at the top"),
        ("none", "nothing was added: there are no images"),
    ):
        with pytest.raises(TransferlineError, match=match):
            add(str(tmp_path / name), "x", tmp_path / "project", None)


@pytest.mark.parametrize("beside", [(), ("README.txt", "LICENSE"), ("@eaDir/1.jpg", "Thumbs.db", "__MACOSX/._1.jpg")])
def test_the_only_folder_is_entered_also_beside_a_readme(
    beside: tuple[str, ...], tmp_path: Path, without_dvc: None, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "source", "photos/a/1.jpg", "photos/b/2.jpg", *beside)
    found = add(str(tmp_path / "source"), "x", tmp_path / "project", None)
    assert found.classes == {"": {"a": 1, "b": 1}}
    assert "photos is the only folder: taking its content" in capsys.readouterr().out


def test_a_table_beside_the_only_folder_keeps_it(tmp_path: Path, without_dvc: None) -> None:
    source = make(tmp_path / "source", "photos/a/1.jpg", "photos/b/2.jpg")
    (source / "labels.tsv").write_text("file\tlabel\nphotos/a/1.jpg\tx\nphotos/b/2.jpg\ty\n")
    found = add(str(source), "x", tmp_path / "project", None)
    assert found.layout and found.layout.kind == "csv" and found.classes == {"": {"x": 1, "y": 1}}


def test_the_only_folder_is_not_entered_if_its_table_names_it(tmp_path: Path, without_dvc: None) -> None:
    source = make(tmp_path / "source", "mydata/images/1.jpg", "mydata/images/2.jpg")
    (source / "mydata" / "labels.csv").write_text("path,label\nmydata/images/1.jpg,x\nmydata/images/2.jpg,y\n")
    found = add(str(source), "x", tmp_path / "project", None)
    assert found.layout and found.layout.kind == "csv" and found.classes == {"": {"x": 1, "y": 1}}


def test_an_address_that_is_not_of_the_web_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TransferlineError, match=r"s3://a/b: only addresses with http .* `dvc import-url s3://a/b"):
        add("s3://a/b", "x", tmp_path, None)


TWO_CLASSES = tuple(f"{name}/{number}.png" for name in ("glass", "metal") for number in (1, 2, 3, 4))


def described_by(folder: Path, columns: str, row: str) -> FolderContents:
    """Images with a table beside them. In `row`, {name} is the folder of the image, {who} and {split} alternate."""
    make(folder, *TWO_CLASSES)
    lines = [
        row.format(
            path=path,
            name=path.split("/")[-2],
            odd=number % 2,
            who=("Ann", "Ben")[number % 2],
            split=("train", "test")[number % 2],
            x="x" * (number == 1),
        )
        for number, path in enumerate(TWO_CLASSES)
    ]
    (folder / "metadata.csv").write_text("\n".join([columns, *lines]))
    return inspect_folder(folder)


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        ("file,photographer,width", "{path},{who},640"),
        ("file,type", "{path},{who}"),
        ("file,level,split", "{path},{who},train"),
        ("file,flash,indoor,width", "{path},{odd},{odd},640"),
    ],
)
def test_class_folders_come_before_a_table_whose_labels_are_not_certain(columns: str, row: str, tmp_path: Path) -> None:
    found = described_by(tmp_path, columns, row)
    assert found.layout == ClassFolders(kind="class_folders")
    text = describe_folder("x", found)
    assert "csv fits too, and labels 8 images; if its labels are meant, check data.problem and set data.layout" in text
    assert "data.layout to {kind: csv, file: metadata.csv, path_column: file, label_column" in text


@pytest.mark.parametrize(
    ("columns", "row", "keys"),
    [
        ("file,label", "{path},{who}", {"label_column": "label"}),
        ("file,Species,width", "{path},{who},640", {"label_column": "Species"}),
        ("file,material", "{path},{name}", {"label_column": "material"}),
        ("file,flash,indoor", "{path},{odd},{odd}", {"label_columns": ("flash", "indoor")}),
    ],
)
def test_a_table_whose_labels_are_certain_comes_before_class_folders(
    columns: str, row: str, keys: dict[str, Any], tmp_path: Path
) -> None:
    found = described_by(tmp_path, columns, row)
    assert found.layout == Csv(kind="csv", file="metadata.csv", path_column="file", **keys)
    text = describe_folder("x", found)
    assert "class_folders fits too, and labels 8 images" in text and "set data.layout to {kind: class_folders}" in text


def test_a_table_of_other_facts_comes_after_masks_and_voc(tmp_path: Path) -> None:
    make(tmp_path / "a", *(f"{folder}/{number}.png" for folder in ("images", "masks") for number in (1, 2, 3, 4)))
    (tmp_path / "a" / "metadata.csv").write_text("id,camera\n" + "".join(f"{n}.png,{n % 2}\n" for n in (1, 2, 3, 4)))
    make(tmp_path / "b", *(f"JPEGImages/{number}.png" for number in (1, 2, 3, 4)))
    for number in (1, 2, 3, 4):
        file = tmp_path / "b" / "Annotations" / f"{number}.xml"
        file.parent.mkdir(exist_ok=True)
        file.write_text("<annotation><object><name>cat</name></object></annotation>")
    (tmp_path / "b" / "metadata.csv").write_text("id,camera\n" + "".join(f"{n}.png,{n % 2}\n" for n in (1, 2, 3, 4)))
    layouts = [inspect_folder(tmp_path / name).layout for name in ("a", "b")]
    assert [layout and layout.kind for layout in layouts] == ["image_mask_folders", "voc"]


@pytest.mark.parametrize(
    ("columns", "row", "said"),
    [
        (
            "file,camera,split",
            "{path},{who},{split}",
            "label_column: camera, split_column: split}. Only then the splits",
        ),
        ("file,camera,split", "{path},{who},{split}{x}", "metadata.csv: column split is not used: 'testx' (1) are not"),
        ("file,split", "{path},{split}", "So its splits in column split are not used; to use them, add a column label"),
        (
            "file,split",
            "{path},{split}{x}",
            "So its splits in column split are not used; to use them, add a column label",
        ),
    ],
)
def test_splits_in_a_table_beside_class_folders_are_not_left_out_silently(
    columns: str, row: str, said: str, tmp_path: Path
) -> None:
    found = described_by(tmp_path, columns, row)
    assert found.layout == ClassFolders(kind="class_folders")
    assert said in describe_folder("x", found)


def test_images_without_a_row_are_counted_by_folder(tmp_path: Path) -> None:
    make(tmp_path, "train/1.jpg", "train/2.jpg", "test/3.jpg")
    (tmp_path / "train.csv").write_text("id,breed\n1,pug\n2,boxer\n")
    text = describe_folder("x", inspect_folder(tmp_path))
    assert "left out, because they get no label: 1 (test 1)" in text
    assert (
        "layout: {kind: csv, file: train.csv, path_column: id, folder: train, suffix: .jpg, label_column: breed}"
        in text
    )


def test_names_that_are_not_utf8_are_named_before_anything_is_copied(tmp_path: Path, without_dvc: None) -> None:
    source = make(tmp_path / "source", "a/1.jpg", "b/2.jpg")
    (source / "a" / "caf\udce9.jpg").write_bytes(b"")
    with pytest.raises(TransferlineError, match=r"names that are not UTF-8 \(a/caf\\xe9\.jpg\): rename these"):
        add(str(tmp_path / "source"), "x", tmp_path / "project", None)
    assert not (tmp_path / "project" / "data" / "raw" / "x").exists()
