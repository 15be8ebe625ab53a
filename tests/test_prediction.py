"""Predictions of one label and of several labels: the tables, the submission and the picture."""

import csv
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from tests.conftest import COLORS, make_images, run_in_process
from tests.exported_folder import write_folder
from tests.segmentation_case import save_colour_model
from transferline import params
from transferline.datasets.contact_sheet import FRAME, MARGIN, SIDE
from transferline.errors import TransferlineError
from transferline.models.exported import ModelCard
from transferline.prediction.found_images import find_images
from transferline.prediction.named_model import open_model
from transferline.problems import label_picture
from transferline.problems.label_output import predictions_as_text, write_csv
from transferline.problems.label_predictions import predict_images
from transferline.problems.segmentation.mask_files import predict_mask
from transferline.problems.submission import write_submission
from transferline.run_length_encoding import decode, encode

CLASSES = ("red", "green", "blue")
REASONS = ("reason", "possible_labels", "novelty")


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


def test_a_submission_from_two_models_comes_back(tmp_path, several_labels, capsys):
    """Two rows for each image: its labels, and the masks of these classes in the size of the file."""
    masks = str(save_colour_model(tmp_path / "masks", classes=("background", "blue", "green", "red")))
    photo = np.zeros((30, 50, 3), np.uint8)
    photo[:, :20], photo[:, 20:] = COLORS["red"], COLORS["blue"]
    (tmp_path / "photos").mkdir()
    Image.fromarray(photo).save(tmp_path / "photos" / "both.png")
    painted(tmp_path / "photos" / "one.png", COLORS["green"])
    out = tmp_path / "new" / "submission.csv"
    words = [str(tmp_path / "photos"), "--model", several_labels, "--submission", str(out), "--masks-by", masks]
    assert run_in_process("predict", *words) == 0
    with out.open() as file:
        rows = {row["Id"]: row["Predicted"] for row in csv.DictReader(file)}
    assert list(rows) == ["both_classification", "both_segmentation", "one_classification", "one_segmentation"]
    assert decode(rows["one_classification"], (3,)).tolist() == [False, True, False]
    stack = decode(rows["both_segmentation"], (3, 30, 50))
    assert encode(stack) == rows["both_segmentation"]
    assert stack[0, 3:-3, 3:18].all() and stack[2, 3:-3, 22:-3].all() and not stack[1].any()
    assert (stack.sum(axis=0) <= 1).all()
    card, network, _ = open_model(masks)
    _, mask = predict_mask(card, network, tmp_path / "photos" / "both.png")
    np.testing.assert_array_equal(stack, [mask == 3, mask == 2, mask == 1])


def test_the_second_model_of_a_submission_must_predict_masks_of_all_classes(tmp_path, several_labels, photos):
    photo, out = str(photos / "red" / "0.png"), str(tmp_path / "submission.csv")
    masks = str(save_colour_model(tmp_path / "masks", classes=("background", "blue", "red")))
    words = [photo, "--model", several_labels, "--masks-by"]
    with pytest.raises(TransferlineError, match="--masks-by adds masks to a submission; name its file"):
        run_in_process("predict", *words, masks)
    with pytest.raises(TransferlineError, match="classes background, blue, red lack green, which mean predicts"):
        run_in_process("predict", *words, masks, "--submission", out)
    with pytest.raises(TransferlineError, match="mean is a multilabel model; name a segmentation model"):
        run_in_process("predict", *words, several_labels, "--submission", out)
    with pytest.raises(TransferlineError, match="--submission: tiny is a segmentation model"):
        run_in_process("predict", photo, "--model", masks, "--submission", out, "--masks-by", masks)
    assert not Path(out).exists()


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
        "1 in folders that name no class, 1 more could not be read",
        "wrong predictions first, then correct ones, the lowest probability first, then those of unknown class",
    ]
    assert [tile.frame for tile in tiles] == [label_picture.ORANGE] + [None] * 15
    assert tiles[0].caption.split("\n")[1:] == ["true: green", "wrong.png"] and tiles[0].caption.startswith("red ")
    sure = [float(tile.caption.split()[1].rstrip("%")) for tile in tiles[1:]]
    assert sure[:-1] == sorted(sure[:-1]) and tiles[-1].caption.endswith("1.png")


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


def test_the_picture_shows_upright_whole_images_and_an_orange_frame(tmp_path, one_label):
    (tmp_path / "green").mkdir()
    turned = Image.new("RGB", (60, 30), (255, 0, 0))
    turned.paste((0, 0, 255), (0, 0, 15, 30))
    turned.save(tmp_path / "green" / "turned.png", exif=exif_turned_right())
    found, card = answers(one_label, tmp_path / "green")
    label_picture.draw_grid(found, card, tmp_path / "grid.png")
    sheet = np.asarray(Image.open(tmp_path / "grid.png").convert("RGB"))
    frames = (sheet == (0xD5, 0x5E, 0)).all(axis=2)
    top = int(np.flatnonzero(frames.sum(axis=1) > SIDE // 2)[0])
    tile = sheet[top : top + SIDE, MARGIN : MARGIN + SIDE]
    assert (tile[:FRAME] == (0xD5, 0x5E, 0)).all()
    assert tile[FRAME + 4, SIDE // 2].tolist() == [0, 0, 255] and tile[SIDE // 2, SIDE // 2].tolist() == [255, 0, 0]
    assert tile[SIDE // 2, FRAME + 4].tolist() == [211, 211, 211]


def exif_turned_right():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_models_without_a_limit_label_every_image(one_label, photos):
    found, _ = answers(one_label, photos)
    assert all(one.label and one.reason is None and one.possible_labels is None for one in found)
