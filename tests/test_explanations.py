"""`transferline explain`: heat maps, the nearest training images, and the page, on small real models."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import transferline
from tests.registry_project import registry_project, select, train, write_lock
from tests.test_insight import MEASURED
from tests.tiny_training import frozen, network
from transferline.arrays import Pixels
from transferline.cli import main as cli
from transferline.datasets.tables import ImageTable, read_table
from transferline.errors import TransferlineError
from transferline.insight.heat_maps import CLASS_ACTIVATION, OCCLUSION, heat_maps, peak
from transferline.insight.insight_table import write_insight_table
from transferline.insight.mistakes import mistake_heat_maps
from transferline.insight.novelty import training_distance
from transferline.insight.predict_all_images import predict_all_images
from transferline.models.backbones import build_backbone
from transferline.models.convert import convert
from transferline.models.exported import ModelCard, load_keras_model, load_model, probabilities, read_card
from transferline.models.layers import build_layers
from transferline.params import Novelty, Params, Problem
from transferline.paths import INSIGHT
from transferline.registry.promotion import promote
from transferline.training.assemble_model import assemble, assemble_network
from transferline.training.model_folder import write_model

SIDE = 32
CLASSES = ("blue", "green", "red")
RESCALE = {"kind": "rescale", "low": -1.0, "high": 1.0}
RAW = Path("data/raw/colors")
CONV = {"kind": "conv", "filters": 3, "kernel": 3, "padding": "same", "activation": "relu"}
POOLED = (RESCALE, CONV, {"kind": "global_average_pool"})
AFTER_POOL = (*POOLED, {"kind": "dropout", "rate": 0.2})
NOT_LINEAR = (*POOLED, {"kind": "dense", "units": 5, "activation": "relu"})
BY_MAXIMUM = (RESCALE, CONV, {"kind": "global_max_pool"})
WITHOUT_POOL = (RESCALE, CONV, {"kind": "flatten"})


def colors_network(folder: Path, layers: Any, problem: Problem = "multiclass") -> Path:
    """A model folder with a network from listed layers, whose weights are random."""
    section = network(layers=layers)
    classes = CLASSES[: 2 if problem == "binary" else 3]
    keras.utils.set_random_seed(3)
    built = build_layers((SIDE, SIDE, 3), section.layers, problem, len(classes))
    thresholds = (0.5,) * 3 if problem == "multilabel" else None
    card = ModelCard(
        candidate="c", phase="train", problem=problem, classes=classes, image=section.image, thresholds=thresholds
    )
    write_model(folder, assemble_network(built, section.image, problem), card, noise(2))
    return folder


def noise(count: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def with_square(top: int, left: int, color: tuple[int, int, int] = (250, 20, 20)) -> Pixels:
    image = np.random.default_rng(1).integers(90, 130, (SIDE, SIDE, 3), np.uint8)
    image[top : top + 8, left : left + 8] = color
    return image


@pytest.mark.parametrize("problem", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("layers", [POOLED, AFTER_POOL], ids=["pooled", "dropout"])
def test_class_activation_adds_up_to_the_logits(tmp_path: Path, layers: Any, problem: Problem) -> None:
    folder = colors_network(tmp_path / "c" / "train", layers, problem)
    (image,), card, model = noise(1, 5), read_card(folder), load_model(folder)
    found = heat_maps(card, model, folder)
    assert found.method == CLASS_ACTIVATION
    shares = found.of(image, list(range(len(card.classes)))).sum(axis=(0, 1))
    keras_model = load_keras_model(folder)
    (head,) = (layer for layer in keras_model.layers if isinstance(layer, keras.Model))
    bias = np.asarray(head.layers[-1].bias)
    (row,) = probabilities(model, [image[None]]).astype(np.float64)
    logits = np.log(row) - np.log1p(-row)
    if problem == "binary":
        assert shares[1] + bias[0] == pytest.approx(logits[1], abs=1e-3) and shares[0] == -shares[1]
    elif problem == "multilabel":
        assert shares + bias == pytest.approx(logits, abs=1e-3)
    else:
        relative = np.log(row) - np.log(row).mean()
        assert shares + bias - bias.mean() == pytest.approx(relative, abs=1e-3)


def test_class_activation_of_a_head_on_a_backbone(tmp_path: Path) -> None:
    section, folder = frozen(layers=()), tmp_path / "c" / "head"
    backbone = build_backbone(section.backbone, section.image)
    head = build_layers(backbone.output_shape[-1:], section.layers, "multiclass", 3)
    card = ModelCard(candidate="c", phase="head", problem="multiclass", classes=CLASSES, image=section.image)
    write_model(folder, assemble(backbone, head, section, "multiclass"), card, noise(2))
    (image,), found = noise(1, 5), heat_maps(card, load_model(folder), folder)
    assert found.method == CLASS_ACTIVATION
    (row,) = probabilities(load_model(folder), [image[None]])
    shares = found.of(image, [0, 1, 2])
    assert shares.shape == (*backbone.output_shape[1:3], 3)  # the bias is 0
    assert shares.sum(axis=(0, 1)) == pytest.approx(np.log(row) - np.log(row).mean(), abs=1e-4)


@pytest.mark.parametrize(
    "layers", [NOT_LINEAR, BY_MAXIMUM, WITHOUT_POOL], ids=["hidden layer", "max pool", "without a pool"]
)
def test_other_heads_are_explained_by_occlusion(tmp_path: Path, layers: Any) -> None:
    folder = colors_network(tmp_path / "c" / "train", layers)
    found = heat_maps(read_card(folder), load_model(folder), folder)
    assert found.method == OCCLUSION and found.of(noise(1)[0], [0, 2]).shape == (SIDE, SIDE, 2)


def color_detector(folder: Path, layers: Any) -> Path:
    """A model that predicts the colour of an object: each filter responds to one colour."""
    section = network(layers=layers)
    built = build_layers((SIDE, SIDE, 3), section.layers, "multiclass", 3)
    _, _, conv, *_, logits = built.layers
    one_color = 1.5 * np.eye(3)[:, [2, 1, 0]] - 0.5  # blue, green, red
    conv.set_weights([np.broadcast_to(one_color / 9, (3, 3, 3, 3)), np.full(3, -0.3)])
    outputs = np.eye(3) if logits.input.shape[-1] == 3 else np.tile(np.eye(3), (SIDE * SIDE, 1)) / SIDE**2
    logits.set_weights([30 * outputs, np.zeros(3)])
    card = ModelCard(candidate="c", phase="train", problem="multiclass", classes=CLASSES, image=section.image)
    write_model(folder, assemble_network(built, section.image, "multiclass"), card, noise(2))
    return folder


@pytest.mark.parametrize(("top", "left"), [(0, 0), (4, 22), (20, 9)])
@pytest.mark.parametrize(("layers", "method"), [(POOLED, CLASS_ACTIVATION), (WITHOUT_POOL, OCCLUSION)])
def test_an_object_at_a_known_place_has_the_peak(tmp_path: Path, layers: Any, method: str, top: int, left: int) -> None:
    folder = color_detector(tmp_path / "c" / "train", layers)
    found, image = heat_maps(read_card(folder), load_model(folder), folder), with_square(top, left)
    assert probabilities(load_model(folder), [image[None]]).argmax() == CLASSES.index("red")
    heat = found.of(image, [CLASSES.index("red")])[..., 0]
    x, y = peak(heat)
    assert found.method == method
    assert left <= x * SIDE <= left + 8 and top <= y * SIDE <= top + 8


@pytest.mark.parametrize(
    ("problem", "label", "predicted", "about"),
    [
        ("multiclass", "red", "a|b", "a|b"),
        ("multiclass", "a|b", "red", "red"),
        ("multilabel", "blue|red", "blue", "red"),
        ("multilabel", "", "blue", "blue"),
    ],
)
def test_a_mistake_is_about_a_class_also_if_its_name_has_a_bar(
    tmp_path: Path, problem: Problem, label: str, predicted: str, about: str
) -> None:
    folder = colors_network(tmp_path / "c" / "train", POOLED, problem)
    Image.fromarray(with_square(0, 0)).save(tmp_path / "1.png")
    row = {"path": "1.png", "split": "test", "label": label, "predicted": predicted, "confidence": 0.5}
    card = read_card(folder).model_copy(
        update={"classes": ("a|b" if problem == "multiclass" else "blue", "green", "red")}
    )
    found = mistake_heat_maps(pd.DataFrame([row]), load_model(folder), card, tmp_path)
    assert found["about"].tolist() == [about]


def train_with_features(params: Params, kernel: str) -> Path:
    """A registered candidate's model as in `tests/registry_project.py`, which also outputs the mean colour."""
    folder = train(params, "head", kernel)
    model = load_keras_model(folder)
    *_, logits, _ = model.layers
    outputs = keras.Model(model.input, [model.output, logits.input])
    (folder / "model.tflite").write_bytes(convert(outputs, "small head"))
    manifest = read_table(Path("data/manifest.parquet"))
    table = predict_all_images(folder, ImageTable(manifest.rows.assign(**MEASURED), manifest.classes), RAW)
    rows = table.rows.assign(split=["train" if number % 3 else "validation" for number in range(len(table.rows))])
    (INSIGHT / "small").mkdir(parents=True, exist_ok=True)
    write_insight_table(replace(table, rows=rows), {}, INSIGHT / "small")
    training_distance(replace(table, rows=rows), Novelty(false_alarms=0.1), 0).write(INSIGHT / "small")
    return folder


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    return registry_project(tmp_path, monkeypatch)


def explain(*words: str) -> int:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr("sys.argv", ["transferline", "explain", *words])
        cli.main()
    return int(end.value.code or 0) if not isinstance(end.value.code, str) else fail(end.value.code)


def fail(message: str) -> int:
    print(message)
    return 1


def test_a_registered_version_is_explained_by_its_own_training_images(params, tmp_path, capsys):
    folder = train_with_features(params, "good")
    select(params, folder)
    write_lock(Path.cwd(), "a" * 32 + ".dir")
    version = promote(params, Path.cwd()).version
    shutil.rmtree(INSIGHT)  # another machine has only the registry
    (RAW / "red" / "1.png").unlink()
    photo = RAW / "red" / "0.png"
    assert explain(str(photo), str(tmp_path / "none.png"), "--out", str(tmp_path / "out" / "why.html")) == 1
    assert "none.png: no such file" in capsys.readouterr().out
    (tmp_path / "broken.png").write_bytes(b"no image")
    assert explain(str(photo), str(tmp_path / "broken.png"), "--out", str(tmp_path / "out" / "why.html")) == 1
    said = capsys.readouterr()
    assert "written: " in said.out and "broken.png cannot be read as an image" in said.err
    page = (tmp_path / "out" / "why.html").read_text()
    assert "colors version 1" in page and "a" * 32 in page and "red/0.png" in page
    assert "http" not in page and page.count("<img") == page.count('alt="') == page.count("data:image/jpeg;base64,")

    assert explain(str(photo)) == 0
    text = capsys.readouterr().out
    red, other = re.findall(r"^  (\w+) [01]\.\d+", text, re.M)
    neighbours = re.findall(r"^    [01]\.\d{3}  (\w+)/\d+\.png", text, re.M)
    assert red == "red" and neighbours == ["red"] * 3 + [other] * 3
    assert "  farther from the training images than " in text
    assert f"explained by colors version {version} (small, head)" in text and "data: colors at revision aaaa" in text


def test_a_registered_version_keeps_its_limit_and_a_changed_one_is_refused(params):
    select(params, train_with_features(params, "good"))
    promote(params, Path.cwd())
    shutil.rmtree(INSIGHT)
    odd = np.full((SIDE, SIDE, 3), (255, 0, 255), np.uint8)
    assert transferline.load().predict([odd])[0].reason == "unlike the training images"
    (file,) = Path(".transferline/models").glob("*/insight/novelty.npz")
    file.write_bytes(b"changed")
    for name in ("champion", "1"):
        with pytest.raises(TransferlineError, match=r"novelty\.npz is refused: it is not the file that was registered"):
            transferline.load(name)


def test_two_versions_are_compared(params, tmp_path, capsys):
    for kernel in ("fair", "good"):
        select(params, train_with_features(params, kernel))
        promote(params, Path.cwd(), force="test")
    photo = RAW / "blue" / "0.png"
    assert explain(str(photo), "--versions", "1,2", "--out", str(tmp_path / "why.html")) == 0
    assert "Why colors version 1 and colors version 2 predict this" in (tmp_path / "why.html").read_text()
    assert explain(str(photo), "--versions", "1,2") == 0
    text = capsys.readouterr().out
    assert "changed: red → blue (blue " in text
    assert explain(str(photo), "--versions", "1") == 2 and explain(str(photo), "--versions", "1,7") == 1
    assert "the registry has no 7" in capsys.readouterr().out


def test_an_old_version_says_that_its_features_are_missing(params, capsys):
    select(params, train(params, "head", "good"))
    promote(params, Path.cwd())
    assert explain(str(RAW / "red" / "0.png")) == 0
    assert "nearest training images: not known: the version was registered without" in capsys.readouterr().out


def test_a_model_folder_uses_the_insight_of_its_own_model_only(params, capsys):
    folder = train_with_features(params, "good")
    photo = str(RAW / "red" / "0.png")
    assert explain(photo, "--model", str(folder)) == 0
    assert re.search(r"^    (1\.000|0\.9\d\d)  red/\d", capsys.readouterr().out, re.M)
    version = Path(".transferline/models/small-1-abc")  # as `fetch_version` writes it
    shutil.copytree(folder, version)
    shutil.copytree(INSIGHT / "small", version / INSIGHT.name)
    assert explain(photo, "--model", str(version)) == 0
    assert re.search(r"^    (1\.000|0\.9\d\d)  red/\d", capsys.readouterr().out, re.M)
    train(params, "head", "fair")
    assert explain(photo, "--model", str(folder)) == 0
    assert "not known: the stage insight has not run for this model" in capsys.readouterr().out
    assert explain(photo) == 1
    assert "the registry has no champion" in capsys.readouterr().out
