"""`transferline data show`: its description of a dataset, and its picture."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import COLORS, make_images
from transferline.cli import main as cli
from transferline.datasets.show import layout_of, look, summary
from transferline.datasets.show_picture import _spread, draw_dataset
from transferline.errors import TransferlineError
from transferline.params import ClassFolders, Csv, Data, ImageMaskFolders, Masks, SplitClassFolders

PHOTOS = Path(__file__).parents[2] / "shared" / "data"
FOLDERS = ClassFolders(kind="class_folders")


def data(name, **changed):
    layout = {"kind": "split_class_folders", "train": "A", "validation": None, "test": "B"}
    split = {"validation": 0.2, "test": 0.1, "group": None}
    tree = {"dataset": name, "problem": "multiclass", "layout": layout, "split": split, **changed}
    return Data.model_validate_json(json.dumps(tree))


def test_broken_unlabelled_and_other_files_are_counted_and_skipped(tmp_path):
    make_images(tmp_path, count=4)
    (tmp_path / "red" / "0.png").write_bytes(b"")
    (tmp_path / "red" / "1.png").write_bytes((tmp_path / "red" / "1.png").read_bytes()[:500])
    (tmp_path / "red" / ".2.png").write_bytes(b"hidden")
    (tmp_path / "README.md").write_text("notes")
    (tmp_path / "empty").mkdir()
    Image.new("RGB", (50, 60), "white").save(tmp_path / "top.png")
    Image.new("RGB", (50, 60), "white").save(tmp_path / "blue" / "white.png")
    found = look(tmp_path, FOLDERS)
    assert found.classes == ("blue", "empty", "green", "red")
    assert found.counts()[""].tolist() == [5, 0, 4, 2]
    assert found.unreadable == ("red/0.png", "red/1.png") and (found.unlabelled, found.others, found.hidden) == (
        1,
        1,
        1,
    )
    text = summary(found, FOLDERS)
    for line in (
        "11 images in 4 classes, read as class_folders",
        "images of a class: 0 (empty) to 5 (blue)",
        "sizes in pixels: 40 to 50 wide, 40 to 60 high, median 40 × 40",
        "to 255, median",
        "skipped: 2 unreadable (red/0.png, red/1.png), 1 without a label, 1 other files, 1 hidden files",
    ):
        assert line in text


def test_several_labels_count_for_each_class(tmp_path):
    make_images(tmp_path, {"all": (9, 9, 9)}, count=3)
    (tmp_path / "t.csv").write_text(
        "file,sky,road,split\nall/0.png,1,1,train\nall/1.png,0,1,test\nall/2.png,0,0,test\n"
    )
    layout = Csv(kind="csv", file="t.csv", path_column="file", label_columns=("sky", "road"), split_column="split")
    found = look(tmp_path, layout)
    assert found.classes == ("road", "sky") and len(found.images) == 3
    assert found.counts().to_dict("index") == {"road": {"test": 1, "train": 1}, "sky": {"test": 0, "train": 1}}
    assert _spread(found, "road", 5) == ["all/0.png", "all/1.png"]


def test_the_layout_is_that_of_params_or_what_the_folders_look_like(tmp_path):
    raw = tmp_path / "colors"
    make_images(raw, count=1)
    assert layout_of(raw, data("other")) == FOLDERS
    assert layout_of(raw, data("colors")) == data("colors").layout
    with pytest.raises(TransferlineError, match=r"colour: no such folder.*there are: colors"):
        layout_of(tmp_path / "colour", data("other"))
    with pytest.raises(TransferlineError, match=r"red: no layout fits; in params\.yaml, set data\.dataset"):
        layout_of(raw / "red", data("other"))


def test_a_dataset_without_a_readable_image_is_refused(tmp_path):
    make_images(tmp_path, count=1)
    for path in tmp_path.glob("*/*.png"):
        path.write_bytes(b"")
    with pytest.raises(TransferlineError, match="no image can be read and has a label"):
        look(tmp_path, FOLDERS)


def test_masks_of_which_none_can_be_read_are_refused(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        Image.new("L", (40, 30)).save(tmp_path / name / "1.jpg")
    layout = ImageMaskFolders(kind="image_mask_folders")
    masks = Masks.model_validate({"classes": ("a", "b"), "void": 255})
    with pytest.raises(TransferlineError, match="no image can be read and has a label"):
        look(tmp_path, layout, masks)


def test_a_column_of_classes_without_images_is_drawn(tmp_path):
    make_images(tmp_path / "raw", count=2)
    for number in range(30):
        (tmp_path / "raw" / f"z{number:02}").mkdir()
    draw_dataset(look(tmp_path / "raw", FOLDERS), tmp_path / "raw", 3, tmp_path / "out.png")
    assert Image.open(tmp_path / "out.png").width > 800


def test_the_picture_holds_samples_of_every_class(tmp_path):
    make_images(tmp_path / "raw", count=7)
    found = look(tmp_path / "raw", FOLDERS)
    assert _spread(found, "red", 3) == ["red/0.png", "red/3.png", "red/6.png"]
    draw_dataset(found, tmp_path / "raw", 3, tmp_path / "out.png")
    pixels = np.asarray(Image.open(tmp_path / "out.png").convert("RGB")).reshape(-1, 3).astype(int)
    near = {name: (abs(pixels - color).max(axis=1) < 40).mean() for name, color in COLORS.items()}
    assert min(near.values()) > 0.005, near


def test_the_command_writes_where_it_is_told(project, monkeypatch, capsys):
    for arguments, path in ((["colors/"], "reports/data_colors.png"), (["colors", "--out", "new/a.png"], "new/a.png")):
        monkeypatch.setattr(sys, "argv", ["transferline", "data", "show", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr().out
        assert end.value.code == 0 and f"written: {project / path if 'new' in path else path}" in said
        assert "data/raw/colors: 120 images in 3 classes, read as class_folders" in said
        assert (project / path).is_file()


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs the photographs in ../shared/data")
def test_many_classes_stand_in_columns(tmp_path):
    layout = SplitClassFolders(kind="split_class_folders", train="Training", validation=None, test="Testing")
    found = look(PHOTOS / "gtsrb", layout)
    assert len(found.classes) == 43 and len(found.unreadable) == 2 and found.classes[:3] == ("0", "1", "2")
    assert (found.counts()["test"] == 7).all()
    draw_dataset(found, PHOTOS / "gtsrb", 4, tmp_path / "gtsrb.png")
    width, height = Image.open(tmp_path / "gtsrb.png").size
    assert width > 900 and height < 2000
