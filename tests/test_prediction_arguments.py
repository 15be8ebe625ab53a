"""What `predict` takes: image files, models, and files that it may write."""

import shutil

import pytest

from tests.conftest import make_images, run_in_process
from tests.segmentation_case import save_colour_model
from tests.test_prediction import save
from transferline.errors import TransferlineError
from transferline.prediction.found_images import find_images
from transferline.prediction.named_model import model_folder, open_model


@pytest.fixture
def photos(tmp_path):
    make_images(tmp_path / "photos", count=5)
    return tmp_path / "photos"


@pytest.fixture
def one_label(tmp_path):
    return save(tmp_path / "model", "multiclass")


def test_what_is_no_model_and_no_image_is_named(tmp_path, photos):
    for source in ("nothing.jpg", "nothing"):
        with pytest.raises(TransferlineError, match=f"{source}: no such file or folder"):
            find_images([str(photos), str(tmp_path / source)])
    with pytest.raises(TransferlineError, match=r"\*\.jpg: no image found; usual suffixes are \.jpg"):
        find_images([str(tmp_path / "*.jpg")])
    (tmp_path / "model").mkdir()
    for source, words in (("**.jpg", "Invalid pattern"), ("a" * 300, "File name too long")):
        with pytest.raises(TransferlineError, match=words):
            find_images([str(tmp_path / source)])
    with pytest.raises(TransferlineError, match=r"no card\.json and no model\.tflite; a model folder is one such as"):
        open_model(str(tmp_path / "model"))


def test_a_number_and_an_alias_mean_the_registry_whatever_folders_there_are(one_label, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("champion", "7", "other"):
        shutil.copytree(one_label, name)
    assert [model_folder(name) for name in ("champion", "7", "challenger")] == [None] * 3
    assert [model_folder(name) for name in ("./7", "other")] == [tmp_path / "7", tmp_path / "other"]


def test_no_output_replaces_a_photograph(one_label, photos, tmp_path):
    masks = str(save_colour_model(tmp_path / "masks"))
    shutil.copytree(photos / "red", tmp_path / "data" / "raw" / "colors" / "red")
    (tmp_path / "dvc.yaml").touch()
    photo = photos / "red" / "0.png"
    content = photo.read_bytes()
    for words, wanted in (
        ((photo, "--model", one_label, "--grid", photo), "would replace images that are to be predicted: .*0.png; na"),
        (
            (photos / "red", "--model", masks, "--masks", photos / "red"),
            "would replace images that are to be predicted",
        ),
        ((photo, "--model", masks, "--masks", tmp_path / "data/raw/colors/red"), "would be written into data/raw"),
        ((photo, "--model", one_label, "--csv", tmp_path / "data/raw/colors/a.csv"), "would be written into data/raw"),
    ):
        with pytest.raises(TransferlineError, match=wanted):
            run_in_process("predict", *map(str, words))
    with pytest.raises(TransferlineError, match="would replace images that are to be predicted"):
        run_in_process("attack", str(photo), "--model", one_label, "--out", str(photo))
    assert photo.read_bytes() == content and not list((tmp_path / "data").rglob("*.csv"))
