"""Images unlike the training images: the distance, its limit, and what predict and the endpoint do with it."""

import csv
import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture
from sklearn.metrics import roc_auc_score

from tests.conftest import run_in_process
from tests.tiny_training import frozen
from transferline import params
from transferline.arrays import Floats
from transferline.datasets.contact_sheet import Tile
from transferline.datasets.images import read_batch
from transferline.errors import TransferlineError
from transferline.hashes import file_sha256
from transferline.insight import novelty
from transferline.insight.insight_table import InsightTable, insight_table, write_insight_table
from transferline.insight.novelty import training_distance
from transferline.models.backbones import build_backbone, preprocessing
from transferline.models.convert import convert
from transferline.models.exported import ModelCard, load_model, write_card
from transferline.models.lite import LiteGraph
from transferline.models.training_distance import NOVELTY_FILE, nearest_distances, read_training_distance, unit
from transferline.not_applicable import NotApplicableError
from transferline.problems import label_picture
from transferline.problems.label_output import predictions_as_text
from transferline.problems.label_predictions import Prediction
from transferline.serving.batcher import Batcher
from transferline.serving.served_model import LoadedVersion

DATA = Path(__file__).parents[2] / "shared" / "data"
SIDE, CLASSES = 32, ("green", "red")
CARD = ModelCard(
    candidate="c", phase="head", problem="multiclass", classes=CLASSES,
    image=params.Image(size=SIDE, color="rgb", resize="stretch"),
)  # fmt: skip


def table(features: Floats, validation: int) -> InsightTable:
    """A table whose last `validation` images are of validation, the others of train."""
    splits = ["train"] * (len(features) - validation) + ["validation"] * validation
    return insight_table(pd.DataFrame({"split": splits}), CARD, None, features.astype(np.float16))


def around(center: int, count: int, seed: int = 0) -> Floats:
    noise = np.random.default_rng(seed).normal(0, 0.1, (count, 16))
    return (1 + noise + 4 * np.eye(16)[center]).astype(np.float16)  # as the table stores them


def test_the_limit_leaves_out_at_most_its_share_of_the_validation_images() -> None:
    features = np.concatenate([around(0, 60), around(1, 60), around(0, 50, 1), around(1, 50, 1)])
    found = training_distance(table(features, 100), params.Novelty(false_alarms=0.05), 0)
    validation = found.novelties(features[120:])
    assert sum(one.is_beyond for one in validation) == 5
    assert sorted(one.share for one in validation) == pytest.approx(np.arange(100) / 100)
    (near,), (far,) = found.novelties(around(0, 1, 2)), found.novelties(around(7, 1))
    assert not near.is_beyond and far == (1.0, True)
    without = training_distance(table(features, 100), None, 0)
    assert without.novelties(around(7, 1)) == [(1.0, False)]


def test_few_validation_images_have_no_false_alarm() -> None:
    features = np.concatenate([around(0, 30), around(0, 9, 1)])
    found = training_distance(table(features, 9), params.Novelty(false_alarms=0.05), 0)
    assert not any(one.is_beyond for one in found.novelties(features[30:]))


def test_the_length_of_the_vectors_has_no_effect() -> None:
    found = training_distance(table(np.concatenate([around(0, 30), around(0, 9, 1)]), 9), None, 0)
    photo = around(0, 1, 3)
    assert found.novelties(photo) == found.novelties(20 * photo)
    assert np.isfinite(unit(np.zeros((1, 3)))).all()


def test_many_training_images_are_drawn_from_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(novelty, "MOST_IMAGES", 10)
    case = table(np.concatenate([around(0, 30), around(0, 9, 1)]), 9)
    first, again, other = (training_distance(case, None, seed).training for seed in (0, 0, 1))
    assert first.shape == (10, 16) and (first == again).all() and (first != other).any()


def test_models_without_features_and_empty_splits_are_not_applicable() -> None:
    with pytest.raises(NotApplicableError, match="no vector before its last layer"):
        training_distance(insight_table(pd.DataFrame(), CARD, None, None), None, 0)
    with pytest.raises(NotApplicableError, match="validation has no images"):
        training_distance(table(around(0, 9), 0), None, 0)


def test_the_file_holds_the_same_distances_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    found = training_distance(table(np.concatenate([around(0, 30), around(0, 9, 1)]), 9), None, 0)
    found.write(tmp_path)
    read = read_training_distance(tmp_path)
    assert read and (read.training == found.training).all() and read.limit == np.inf
    assert read.novelties(around(3, 5)) == found.novelties(around(3, 5))
    assert read_training_distance(None) is None and read_training_distance(tmp_path / "none") is None
    (tmp_path / NOVELTY_FILE).write_bytes((tmp_path / NOVELTY_FILE).read_bytes()[:100])
    with pytest.raises(TransferlineError, match=r"novelty\.npz cannot be read: .*dvc repro insight"):
        read_training_distance(tmp_path)


def color_project(root: Path, false_alarms: float | None) -> Path:
    """A model folder with the mean colour as features, and the insight of its training images, which are not blue."""
    image = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    logits = keras.layers.Dense(2)
    outputs = keras.Model(image, [keras.layers.Softmax()(logits(mean)), mean])
    logits.set_weights([np.array([[0, 9], [9, 0], [0, 0]]), np.zeros(2)])
    folder, insight = root / "models" / "c" / "head", root / "insight" / "c"
    folder.mkdir(parents=True)
    insight.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(convert(outputs, "c head"))
    write_card(CARD, folder)
    random = np.random.default_rng(0)
    colors = np.array([[0.2, 0.8, 0.2], [0.8, 0.2, 0.2]])[random.integers(0, 2, 80)] + random.normal(0, 0.02, (80, 3))
    known = table(colors, 30)
    limit = params.Novelty(false_alarms=false_alarms) if false_alarms else None
    training_distance(known, limit, 0).write(insight)
    sha256 = file_sha256(folder / "model.tflite")
    write_insight_table(insight_table(known.rows, CARD, None, known.features, sha256), {}, insight)
    for name, color in {"blue": (30, 30, 220), "red": (204, 51, 51)}.items():
        Picture.new("RGB", (SIDE, SIDE), color).save(root / f"{name}.png")
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="needs the photographs in ../shared/data")
def test_photographs_of_other_datasets_are_farther_away() -> None:
    section = frozen(layers=(), image={"size": 160, "color": "rgb", "resize": "stretch"})
    backbone = build_backbone(section.backbone, section.image)
    image = keras.Input((160, 160, 3), dtype="uint8")
    pooled = keras.layers.GlobalAveragePooling2D()(backbone(preprocessing(section.backbone.name)(image)))
    graph = LiteGraph(convert(keras.Model(image, pooled), "backbone"))
    folders = [DATA / name for name in ("cats_dogs/train", "trashnet", "neu_surface/train", "gtsrb/Training")]
    features = []
    for folder in folders:
        files = sorted(file for file in folder.rglob("*.*") if file.suffix != ".md" and file.stat().st_size)
        chosen = [files[place] for place in np.random.default_rng(0).permutation(len(files))[:160]]
        names = [file.relative_to(folder).as_posix() for file in chosen]
        features.append(graph.run([read_batch(folder, names, section.image)])[0])
    areas = []
    for trained, own in enumerate(features):
        distance = training_distance(table(own[:120], 20), None, 0)
        near = nearest_distances(own[120:], distance.training)
        for shown, other in enumerate(features):
            if shown != trained:
                far = nearest_distances(other, distance.training)
                areas.append(roc_auc_score([0] * len(near) + [1] * len(far), [*near, *far]))
    assert np.mean(areas) >= 0.95 and min(areas) >= 0.9


def predict(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert run_in_process("predict", *words) == 0
    return capsys.readouterr().out


def test_predict_gives_no_label_beyond_the_limit(tmp_path, monkeypatch, capsys):
    folder = color_project(tmp_path, 0.05)
    photos = [str(tmp_path / f"{name}.png") for name in ("blue", "red")]
    blue, red = json.loads(predict(capsys, *photos, "--model", str(folder), "--json"))
    assert (blue["label"], blue["labels"], blue["reason"], blue["novelty"]) == (None, [], novelty_reason(), 1.0)
    assert red["label"] == "red" and red["reason"] is None and red["novelty"] < 0.95
    text = predict(capsys, *photos, "--model", str(folder))
    assert f"{novelty_reason()}  {photos[0]}  (farther from the training images than 100.0% of" in text
    predict(capsys, *photos, "--model", str(folder), "--csv", str(tmp_path / "out.csv"))
    with (tmp_path / "out.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (row["label"], row["reason"], row["novelty"]) == ("", novelty_reason(), "1.0")
    tiles: list[Tile] = []
    monkeypatch.setattr(label_picture, "contact_sheet", lambda drawn, *_: tiles.extend(drawn))
    predict(capsys, *photos, "--model", str(folder), "--grid", str(tmp_path / "grid.png"))
    captions = {tile.caption.split("\n")[-1]: tile.caption.split("\n")[0] for tile in tiles}
    assert captions["blue.png"] == novelty_reason() and captions["red.png"].startswith("red 9")


def novelty_reason() -> str:
    return "unlike the training images"


def test_without_a_limit_the_novelty_is_only_reported(tmp_path, capsys):
    folder, photo = color_project(tmp_path, None), str(tmp_path / "blue.png")
    (blue,) = json.loads(predict(capsys, photo, "--model", str(folder), "--json"))
    assert blue["label"] in CLASSES and blue["reason"] is None and blue["novelty"] == 1.0
    (tmp_path / "insight" / "c" / "insight.json").write_text('{"tflite_sha256": "of another model"}')
    (blue,) = json.loads(predict(capsys, photo, "--model", str(folder), "--json"))
    assert blue["novelty"] is None


@pytest.mark.parametrize(("novelty", "printed"), [(0.989, False), (0.99, True)])
def test_a_novelty_from_99_in_100_is_printed(novelty: float, printed: bool) -> None:
    found = Prediction("a.png", "red", 0.9, ("red",), {"green": 0.1, "red": 0.9}, None, None, novelty, None)
    assert ("farther from the training images" in predictions_as_text([found], CARD)) == printed


@pytest.mark.parametrize("changes", [{}, {"problem": "multilabel", "thresholds": (0.5, 0.5)}], ids=["one", "several"])
def test_the_endpoint_answers_as_predict_for_one_label_and_several(tmp_path: Path, changes: dict[str, object]) -> None:
    folder, card = color_project(tmp_path, 0.05), CARD.model_copy(update=changes)
    loaded = LoadedVersion("1", "0" * 64, card, Batcher(load_model(folder, tmp_path / "insight" / "c")))
    blue, red = (np.asarray(Picture.open(tmp_path / f"{name}.png")) for name in ("blue", "red"))
    first, second = loaded.answer([blue, red])
    assert (first["label"], first["reason"], first["novelty"]) == (None, novelty_reason(), 1.0)
    assert list(first["labels"]) == [] and list(second["labels"]) == ["red"]
    assert second["label"] == "red" and second["novelty"] < 0.95
