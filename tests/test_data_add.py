"""`transferline data add`: copies, DVC, findings. After a failure, no file is left behind."""

import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from transferline.datasets import add as adding
from transferline.datasets.add import add
from transferline.datasets.layout_proposal import describe_folder, inspect_folder
from transferline.errors import TransferlineError
from transferline.params import ClassFolders, Csv, Layout, SplitClassFolders, Voc

PHOTOS = Path(__file__).parents[1].parent / "shared" / "data"


def dvc(project, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=project, capture_output=True, text=True, check=True
    )


@pytest.fixture
def project(tmp_path):
    """An empty Git and DVC project."""
    root = tmp_path / "project"
    root.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    dvc(root, "init", "-q")
    return root


@pytest.fixture
def without_dvc(monkeypatch):
    """Where the point is another: does not spend seconds on `dvc add`."""
    monkeypatch.setattr(adding, "_dvc_add", lambda target, root: None)


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


WASTE = (
    "TRAIN/O/1.jpg",
    "TRAIN/O/2.JPG",
    "TRAIN/R/3.png",
    "TEST/O/4.jpg",
    "TEST/R/5.jpg",
    "TEST/R/.DS_Store",
    "README.md",
)


@pytest.mark.slow
def test_a_folder_comes_under_dvc(project, tmp_path):
    source = make(tmp_path / "photos", *WASTE)
    found = add(str(source), "waste", project, None)
    raw = project / "data" / "raw"
    assert names(raw / "waste") == names(source) == sorted(WASTE)
    assert "nfiles: 7" in (raw / "waste.dvc").read_text()
    status = subprocess.run(
        ["git", "status", "--short", "-uall"], cwd=project, capture_output=True, text=True, check=True
    )
    assert "data/raw/waste.dvc" in status.stdout and "TRAIN" not in status.stdout
    assert dvc(project, "status", "-q").returncode == 0
    assert found.images == {".jpg": 4, ".png": 1} and found.others == {".md": 1} and found.hidden == 1
    assert found.classes == {"train": {"O": 2, "R": 1}, "test": {"O": 1, "R": 1}}


@pytest.mark.slow
def test_a_failure_of_dvc_is_passed_on_and_leaves_no_copy(tmp_path):
    root = tmp_path / "no_dvc_here"
    root.mkdir()
    with pytest.raises(TransferlineError, match=r"dvc add data/raw/waste failed.*not inside of a DVC repository"):
        add(str(make(tmp_path / "photos", *WASTE)), "waste", root, None)
    assert list((root / "data" / "raw").iterdir()) == []


def test_an_interruption_leaves_no_copy(tmp_path, monkeypatch):
    def interrupt(target, root):
        assert (target / "a" / "1.jpg").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(adding, "_dvc_add", interrupt)
    with pytest.raises(KeyboardInterrupt):
        add(str(make(tmp_path / "photos", "a/1.jpg")), "waste", tmp_path, None)
    assert list((tmp_path / "data" / "raw").iterdir()) == []


def zipped(folder, target):
    with zipfile.ZipFile(target, "w") as packed:
        for name in names(folder):
            packed.write(folder / name, f"photos/{name}")
        packed.writestr("__MACOSX/photos/._1.jpg", b"")
    return target


def test_an_archive_gives_the_content_of_its_only_folder(tmp_path, without_dvc, capsys):
    path = zipped(make(tmp_path / "photos", *WASTE), tmp_path / "photos.zip")
    found = add(str(path), "waste", tmp_path, sha256(path.read_bytes()).hexdigest())
    assert names(tmp_path / "data" / "raw" / "waste") == sorted(WASTE)
    assert isinstance(found.layout, SplitClassFolders)
    assert "photos is the only folder" in capsys.readouterr().out


def test_an_archive_of_one_class_keeps_its_folder(tmp_path, without_dvc):
    add(str(zipped(make(tmp_path / "a", "1.jpg"), tmp_path / "a.zip")), "one", tmp_path, None)
    assert "photos/1.jpg" in names(tmp_path / "data" / "raw" / "one")


@pytest.mark.parametrize(
    ("digest", "match"), [("0" * 64, "has the sha256 .*, expected 0000"), ("zz", "64 hexadecimal digits.*got zz")]
)
def test_a_wrong_sha256(tmp_path, without_dvc, digest, match):
    path = zipped(make(tmp_path / "photos", *WASTE), tmp_path / "photos.zip")
    with pytest.raises(TransferlineError, match=match):
        add(str(path), "waste", tmp_path, digest)
    assert not (tmp_path / "data" / "raw" / "waste").exists()


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "-x", "ü", "a" * 65, "a\n"])
def test_a_name_that_cannot_be(tmp_path, without_dvc, name):
    with pytest.raises(TransferlineError, match="cannot be a dataset's name"):
        add(str(make(tmp_path / "photos", *WASTE)), name, tmp_path, None)


def test_a_name_that_is_taken(tmp_path, without_dvc):
    source = str(make(tmp_path / "photos", *WASTE))
    add(source, "waste", tmp_path, None)
    with pytest.raises(TransferlineError, match="waste is there already"):
        add(source, "waste", tmp_path, None)
    assert names(tmp_path / "data" / "raw" / "waste") == sorted(WASTE)
    (tmp_path / "data" / "raw" / "pulled.dvc").write_text("outs: []")
    with pytest.raises(TransferlineError, match=r"dvc pull.*pulled\.dvc"):
        add(source, "pulled", tmp_path, None)
    (tmp_path / "data" / "sources.yaml").write_text("sources: {digits: {kind: digits}}")
    with pytest.raises(TransferlineError, match="digits is a public dataset"):
        add(source, "digits", tmp_path, None)


def test_sources_that_cannot_be(tmp_path, without_dvc):
    make(tmp_path / "photos", *WASTE)
    (tmp_path / "empty" / "cats").mkdir(parents=True)
    for source, digest, match in (
        ("nowhere", None, "nowhere: no such folder or archive"),
        ("empty", None, "empty: nothing was added: there are no images"),
        ("photos", "0" * 64, "a sha256 is only for archives"),
        (".", None, "contains the other"),
        ("photos/README.md", None, "neither a zip nor a tar"),
    ):
        with pytest.raises(TransferlineError, match=match):
            add(str(tmp_path / source), "waste", tmp_path, digest)
        assert not (tmp_path / "data" / "raw" / "waste").exists()


def test_class_folders_are_listed_in_natural_order(tmp_path):
    make(tmp_path, "10/a.ppm", "2/b.ppm", "2/c.ppm", "2/notes.txt", "2/.d.ppm")
    found = inspect_folder(tmp_path)
    assert found.layout == ClassFolders(kind="class_folders")
    assert list(found.classes[""].items()) == [("2", 2), ("10", 1)]


def test_a_validation_folder_without_a_test_folder_becomes_the_test_set(tmp_path):
    make(tmp_path, "train/a/1.jpg", "validation/a/2.jpg")
    layout = inspect_folder(tmp_path).layout
    assert layout == SplitClassFolders(kind="split_class_folders", train="train", validation=None, test="validation")


def test_a_table_that_names_files_is_found(tmp_path):
    make(tmp_path, "images/1.jpg", "images/2.jpg")
    (tmp_path / "meta.csv").write_text("id,Label,file,split\n7,cat,images/1.jpg,train\n8,dog,images/2.jpg,test\n")
    (tmp_path / "empty.csv").write_text("")
    assert inspect_folder(tmp_path).layout == Csv(
        kind="csv", file="meta.csv", path_column="file", label_column="Label", split_column="split"
    )


def test_a_table_of_0_and_1_is_found(tmp_path):
    make(tmp_path, "images/1.jpg", "images/2.jpg")
    (tmp_path / "tags.csv").write_text("file,year,car,tree\nimages/1.jpg,1999,1,0\nimages/2.jpg,0,0,0\n")
    layout = Csv(kind="csv", file="tags.csv", path_column="file", label_columns=("car", "tree"), split_column=None)
    assert inspect_folder(tmp_path).layout == layout


def test_an_archive_of_voc_is_unwrapped_and_recognised(tmp_path, without_dvc):
    lists = [
        f"ImageSets/{name}.txt" for name in ("Layout/train", "Layout/val", "Main/train", "Main/val", "Main/cat_train")
    ]
    images = ("JPEGImages/1.jpg", "JPEGImages/2.jpg", "Annotations/1.xml")
    devkit = make(tmp_path / "kit", *(f"VOC2009/{name}" for name in (*images, *lists)))
    for name, text in (
        ("Annotations/1.xml", "<annotation><object><name>cat</name></object></annotation>"),
        *((f"ImageSets/Main/{name}.txt", text) for name, text in (("train", "1"), ("val", "2"), ("cat_train", "1 1"))),
    ):
        (devkit / "VOC2009" / name).write_text(text)
    found = add(str(zipped(devkit, tmp_path / "voc.zip")), "voc", tmp_path, None)
    layout = {"kind": "voc", "labels": "annotations", "train": "Main/train", "validation": None, "test": "Main/val"}
    assert found.layout == Voc.model_validate(layout)
    block = YAML(typ="safe").load(describe_folder("voc", found).split("params.yaml:")[1])["data"]
    assert block == {"dataset": "voc", "problem": "multilabel", "layout": layout}
    raw = tmp_path / "data" / "raw" / "voc"
    (raw / "Annotations/1.xml").unlink()
    assert inspect_folder(raw).layout == Voc.model_validate({**layout, "labels": "image_sets"})


def test_no_layout_is_suggested_where_none_fits(tmp_path):
    make(tmp_path, "1.jpg", "2.jpg")
    found = inspect_folder(tmp_path)
    assert found.layout is None
    assert "No layout fits" in describe_folder("flat", found)


@pytest.mark.parametrize(
    "files",
    [
        ("yes/1.jpg", "no/2.jpg"),
        ("train/a: b/1.jpg", "train/1/2.jpg", "test/1/2.jpg"),
        ("train/a/1.jpg", "val/a/1.jpg", "test/a/2.jpg"),
    ],
)
def test_the_suggested_block_is_what_params_take(tmp_path, files):
    found = inspect_folder(make(tmp_path, *files))
    block = YAML(typ="safe").load(describe_folder("some", found).split("params.yaml:")[1])["data"]
    assert TypeAdapter(Layout).validate_python(block["layout"]) == found.layout
    assert block["dataset"] == "some"
    assert block["problem"] == ("binary" if len({name.split("/")[-2] for name in files}) == 2 else "multiclass")


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs the photographs in ../shared/data")
def test_real_sets_are_recognised():
    layouts = {name: inspect_folder(PHOTOS / name).layout for name in ("trashnet", "cats_dogs", "gtsrb", "neu_surface")}
    assert layouts == {
        "trashnet": ClassFolders(kind="class_folders"),
        "cats_dogs": SplitClassFolders(kind="split_class_folders", train="train", validation=None, test="validation"),
        "gtsrb": SplitClassFolders(kind="split_class_folders", train="Training", validation=None, test="Testing"),
        "neu_surface": SplitClassFolders(kind="split_class_folders", train="train", validation=None, test="test"),
    }
