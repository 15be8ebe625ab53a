"""Heat maps of small real models, and their picture."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.tiny_training import frozen, lite0, network
from transferline.arrays import Pixels
from transferline.insight.explanation_pictures import heat_picture
from transferline.insight.heat_maps import CLASS_ACTIVATION, OCCLUSION, heat_maps, peak
from transferline.insight.mistakes import mistake_heat_maps
from transferline.models.backbones import build_backbone
from transferline.models.exported import ModelCard, load_keras_model, load_model, probabilities, read_card
from transferline.models.layers import build_layers
from transferline.params import Problem
from transferline.training.assemble_model import assemble, assemble_network
from transferline.training.model_folder import write_model

SIDE = 32
CLASSES = ("blue", "green", "red")
RESCALE = {"kind": "rescale", "low": -1.0, "high": 1.0}
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


@pytest.mark.parametrize(
    ("problem", "layers"),
    [("binary", POOLED), ("multiclass", POOLED), ("multilabel", POOLED), ("multiclass", AFTER_POOL)],
)
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_class_activation_of_a_head_on_levels(tmp_path: Path) -> None:
    """The shares of all levels together are the logits, in places of the largest level."""
    section, folder = frozen(layers=(), backbone=lite0(unfreeze=None, pooling="levels")), tmp_path / "c" / "head"
    backbone = build_backbone(section.backbone, section.image)
    head = build_layers(backbone.output_shape[-1:], section.layers, "multiclass", 3)
    card = ModelCard(candidate="c", phase="head", problem="multiclass", classes=CLASSES, image=section.image)
    write_model(folder, assemble(backbone, head, section, "multiclass"), card, noise(2))
    model, (image,) = load_model(folder), noise(1)
    found = heat_maps(card, model, folder)
    shares = found.of(image, [0, 1, 2])
    (row,) = model.probabilities(image[None]).astype(np.float64)
    assert found.method == CLASS_ACTIVATION and shares.shape == (SIDE // 4, SIDE // 4, 3)
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


@pytest.mark.parametrize(("layers", "method"), [(POOLED, CLASS_ACTIVATION), (WITHOUT_POOL, OCCLUSION)])
def test_an_object_at_a_known_place_has_the_peak(tmp_path: Path, layers: Any, method: str) -> None:
    folder = color_detector(tmp_path / "c" / "train", layers)
    found = heat_maps(read_card(folder), load_model(folder), folder)
    assert found.method == method
    for top, left in ((0, 0), (4, 22), (20, 9)):
        image = with_square(top, left)
        assert probabilities(load_model(folder), [image[None]]).argmax() == CLASSES.index("red")
        x, y = peak(found.of(image, [CLASSES.index("red")])[..., 0])
        assert left <= x * SIDE <= left + 8 and top <= y * SIDE <= top + 8


def test_the_colour_of_a_heat_picture_is_at_the_peak() -> None:
    grey = np.full((64, 64, 3), 100, np.uint8)
    heat = np.array([[-1, 0], [0, 3]], np.float32)
    shown = heat_picture(grey, heat)
    assert (shown[0, 0] == 100).all() and shown[60, 60, 0] > 200 > 100 > shown[60, 60, 2]
    assert (heat_picture(grey, -np.ones((2, 2), np.float32)) == 100).all()


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
    card = read_card(folder).model_copy(
        update={"classes": ("a|b" if problem == "multiclass" else "blue", "green", "red")}
    )
    row = {"path": "1.png", "split": "test", "group": "1", "label": label, "predicted": predicted}
    shares = {f"probability_{name}": 0.5 for name in card.classes}
    found = mistake_heat_maps(pd.DataFrame([row | shares]), load_model(folder), card, tmp_path)
    assert found["about"].tolist() == [about]
