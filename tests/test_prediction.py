"""Predictions of one label and of several labels: the tables, the submission and the picture."""

import csv
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from tests.conftest import COLORS, make_images
from tests.exported_folder import write_folder
from transferline import params
from transferline.datasets.contact_sheet import FRAME, MARGIN, SIDE
from transferline.errors import TransferlineError
from transferline.models.exported import ModelCard, Rejection
from transferline.prediction.found_images import find_images
from transferline.prediction.named_model import open_model
from transferline.problems import label_picture
from transferline.problems.label_decision import possible_labels
from transferline.problems.label_output import predictions_as_text, write_csv, write_submission
from transferline.problems.label_predictions import predict_images
from transferline.run_length_encoding import decode

CLASSES = ("red", "green", "blue")
REASONS = ("reason", "possible_labels")


@pytest.fixture
def photos(tmp_path):
    make_images(tmp_path / "photos", count=5)
    return tmp_path / "photos"


def save(folder, problem, **card):
    """A model that answers with the colours of the mean pixel: a share of each, or each between 0 and 1."""
    image = keras.Input((32, 32, 3), dtype="uint8")
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    activation, slope = ("sigmoid", 20) if problem == "multilabel" else ("softmax", 5)
    model = keras.Model(image, keras.layers.Dense(3, activation, name="answer")(mean))
    model.get_layer("answer").set_weights([slope * np.eye(3, dtype="float32"), np.full(3, -8, "float32")])
    size = params.Image(size=32, color="rgb", resize="stretch")
    card = ModelCard(candidate="mean", phase="head", problem=problem, classes=CLASSES, image=size, **card)
    return str(write_folder(folder, model, card))


def answers(model, *sources):
    card, network, _ = open_model(model)
    return list(predict_images(card, network, find_images([str(source) for source in sources]))), card


@pytest.fixture
def one_label(tmp_path):
    return save(tmp_path / "model", "multiclass")


@pytest.fixture
def several_labels(tmp_path):
    return save(tmp_path / "model", "multilabel", thresholds=(0.5, 0.5, 0.5), argmax_fallback=False)


def painted(path, color):
    Image.new("RGB", (40, 30), color).save(path)
    return path


def test_several_labels_pass_their_thresholds_and_reach_every_output(tmp_path, several_labels):
    for name, color in {"magenta": (255, 0, 255), "black": (0, 0, 0), "lime": (0, 255, 0)}.items():
        painted(tmp_path / f"{name}.png", color)
    found, card = answers(several_labels, tmp_path)
    assert [prediction.labels for prediction in found] == [(), ("green",), ("red", "blue")]
    assert found[2].label in ("red", "blue") and found[2].probability > 0.99
    write_csv(found, card, tmp_path / "out.csv", "models/a/head")
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "label", "probability", "labels", *CLASSES, *REASONS, "error", "model"]
    assert [row["labels"] for row in rows] == ["", "green", "red|blue"]
    black, lime, magenta = predictions_as_text(found, card).splitlines()
    assert black.startswith("no label  ") and lime.startswith("green 1.0000  ")
    assert magenta.startswith("red 1.0000, blue 1.0000  ") and magenta.endswith("(then green 0.0003)")


def test_the_fallback_of_the_card_gives_every_image_a_label(tmp_path):
    model = save(tmp_path / "model", "multilabel", thresholds=(0.5, 0.5, 0.5), argmax_fallback=True)
    found, _ = answers(model, painted(tmp_path / "dark.png", (0, 9, 0)))
    assert found[0].labels == ("green",) and found[0].probability < 0.01


def test_a_submission_holds_the_vector_of_each_image(tmp_path, several_labels):
    files = [painted(tmp_path / f"{name}.png", color) for name, color in COLORS.items()]
    files.append(painted(tmp_path / "white.png", (255, 255, 255)))
    found, card = answers(several_labels, *files)
    write_submission(found, card, tmp_path / "new" / "submission.csv")
    with (tmp_path / "new" / "submission.csv").open() as file:
        assert file.readline() == "Id,Predicted\n"
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == ["blue", "green", "red", "white"] and rows[3][1] == "1 3"
    for (_, runs), prediction in zip(rows, found, strict=True):
        assert decode(runs, (3,)).tolist() == [name in prediction.labels for name in CLASSES]


def test_a_submission_needs_names_of_their_own_and_an_answer_for_each(tmp_path, one_label, photos):
    found, card = answers(one_label, photos)
    with pytest.raises(TransferlineError, match=r"several files are called 0, 1, 2, 3, 4; rename"):
        write_submission(found, card, tmp_path / "submission.csv")
    (photos / "red" / "0.png").write_bytes(b"no image")
    found, card = answers(one_label, photos / "red")
    with pytest.raises(TransferlineError, match=r"cannot be read as images: .*red/0\.png"):
        write_submission(found, card, tmp_path / "submission.csv")
    assert not (tmp_path / "submission.csv").exists()


def test_the_grid_of_one_image_is_as_wide_as_a_title(tmp_path, one_label, photos):
    label_picture.draw_grid(*answers(one_label, photos / "red" / "0.png"), tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as sheet:
        assert sheet.width == MARGIN + 5 * (SIDE + MARGIN)


def drawn(monkeypatch, found, card):
    """The tiles and the title that `draw_grid` would draw."""
    sheets = []
    monkeypatch.setattr(
        label_picture, "contact_sheet", lambda tiles, path, columns, title: sheets.append((tiles, title))
    )
    label_picture.draw_grid(found, card, Path("unused.png"))
    return sheets[0]


def test_the_grid_marks_what_the_folders_contradict(monkeypatch, one_label, photos):
    shutil.copy(photos / "red" / "0.png", photos / "green" / "wrong.png")
    (photos / "green").rename(photos / "Green")
    (photos / "unknown").mkdir()
    shutil.copy(photos / "red" / "1.png", photos / "unknown" / "1.png")
    (photos / "blue" / "0.png").write_bytes(b"no image")
    tiles, title = drawn(monkeypatch, *answers(one_label, photos))
    assert title.splitlines() == [
        "mean: 16 images, 14 of 15 whose folder names the class are predicted correctly (accuracy 93.3%), "
        "1 more could not be read",
        "wrong predictions first, then the lowest probability first",
    ]
    assert [tile.frame for tile in tiles] == [label_picture.WRONG] + [None] * 15
    assert tiles[0].caption.split("\n")[1:] == ["true: green", "wrong.png"] and tiles[0].caption.startswith("red ")
    sure = [float(tile.caption.split()[1].rstrip("%")) for tile in tiles[1:]]
    assert sure == sorted(sure)


def test_the_grid_says_how_many_it_leaves_out_and_sorts_by_label_without_a_truth(monkeypatch, one_label, photos):
    flat = [shutil.move(path, photos / f"{path.parent.name}{path.name}") for path in sorted(photos.glob("*/*.png"))]
    monkeypatch.setattr(label_picture, "MOST", 12)
    found, card = answers(one_label, *flat)
    tiles, title = drawn(monkeypatch, found, card)
    assert title == (
        "mean: 15 images\nby predicted label, the lowest probability first; 12 are shown, 3 with higher probabilities "
        "are left out"
    )
    labels = [tile.caption.split()[0] for tile in tiles]
    assert labels == sorted(labels) and set(labels) == set(CLASSES)
    left_out = {prediction.path for prediction in found} - {str(tile.picture) for tile in tiles}
    least = max(prediction.probability for prediction in found if prediction.path not in left_out)
    assert all(prediction.probability >= least for prediction in found if prediction.path in left_out)


def test_the_picture_shows_upright_whole_images_and_a_red_frame(tmp_path, one_label):
    (tmp_path / "green").mkdir()
    turned = Image.new("RGB", (60, 30), (255, 0, 0))
    turned.paste((0, 0, 255), (0, 0, 15, 30))
    turned.save(tmp_path / "green" / "turned.png", exif=exif_turned_right())
    found, card = answers(one_label, tmp_path / "green")
    label_picture.draw_grid(found, card, tmp_path / "grid.png")
    sheet = np.asarray(Image.open(tmp_path / "grid.png").convert("RGB"))
    frames = (sheet == (0xC0, 0, 0)).all(axis=2)
    top = int(np.flatnonzero(frames.sum(axis=1) > SIDE // 2)[0])
    tile = sheet[top : top + SIDE, MARGIN : MARGIN + SIDE]
    assert (tile[:FRAME] == (0xC0, 0, 0)).all()
    assert tile[FRAME + 4, SIDE // 2].tolist() == [0, 0, 255] and tile[SIDE // 2, SIDE // 2].tolist() == [255, 0, 0]
    assert tile[SIDE // 2, FRAME + 4].tolist() == [211, 211, 211]


def exif_turned_right():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_what_is_no_model_and_no_image_is_named(tmp_path, photos):
    for source in ("nothing.jpg", "nothing"):
        with pytest.raises(TransferlineError, match=f"{source}: no such file or folder"):
            find_images([str(photos), str(tmp_path / source)])
    with pytest.raises(TransferlineError, match=r"\*\.jpg: no image found; usual suffixes are \.jpg"):
        find_images([str(tmp_path / "*.jpg")])
    (tmp_path / "model").mkdir()
    with pytest.raises(TransferlineError, match=r"no card\.json and no model\.tflite; --model takes a folder such as"):
        open_model(str(tmp_path / "model"))


def test_unsure_images_get_no_label_but_those_that_remain(tmp_path, monkeypatch):
    """Colours between two classes have two possible labels; grey has all three."""
    rejection = Rejection(wanted_error=0.02, error=0.02, limit=0.9, coverage=0.5, images=200, possible_limit=0.2)
    model = save(tmp_path / "model", "multiclass", rejection=rejection)
    colors = {"red/a": (255, 0, 0), "green/b": (255, 255, 0), "blue/c": (90, 90, 90), "green/d": (255, 0, 0)}
    for name, color in colors.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        painted(tmp_path / f"{name}.png", color)
    found, card = answers(model, *(tmp_path / f"{name}.png" for name in colors))
    assert [(one.label, one.reason, one.labels) for one in found] == [
        *[("red", None, ("red",)), (None, "unsure", ()), (None, "unsure", ()), ("red", None, ("red",))]
    ]
    assert [one.possible_labels for one in found] == [("red",), ("red", "green"), CLASSES, ("red",)]
    assert found[1].probability == pytest.approx(0.498, abs=0.01)
    assert possible_labels(np.array([0.85, 0.04, 0.11], np.float32), card) == ("red", "blue"), "at least two"
    lines = predictions_as_text(found, card).splitlines()
    assert lines[1].startswith("unsure  ") and lines[1].endswith("(possible: red 0.4983, green 0.4983)")
    write_csv(found, card, tmp_path / "out.csv", "m")
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["label"], row["reason"], row["possible_labels"]) for row in rows[:2]] == [
        *[("red", "", "red"), ("", "unsure", "red|green")]
    ]
    tiles, title = drawn(monkeypatch, found, card)
    assert title.startswith("mean: 4 images, 2 without a label, 1 of 2 are predicted correctly (accuracy 50.0%)\n")
    assert [tile.caption.split("\n")[0] for tile in tiles] == ["red 98.7%", "unsure", "unsure", "red 98.7%"]
    assert [tile.frame for tile in tiles] == [label_picture.WRONG, None, None, None]


def test_models_without_a_limit_label_every_image(one_label, photos):
    found, _ = answers(one_label, photos)
    assert all(one.label and one.reason is None and one.possible_labels is None for one in found)
