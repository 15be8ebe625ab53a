"""Features of several depths of a backbone, from the graph to a fine-tuned model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers

from tests.tiny_training import TRAINING, candidate, job, lite0, make_data
from transferline.datasets.tables import ImageTable
from transferline.errors import TransferlineError
from transferline.evaluation.scoring import score
from transferline.models.backbone_cut import cut
from transferline.models.backbones import build_backbone, image_shape
from transferline.models.layers import build_layers, pool
from transferline.models.levels import with_levels
from transferline.params import Backbone, Image, Unfreeze
from transferline.training.bank import read_bank
from transferline.training.fill_bank import extract
from transferline.training.fine_tuning import fine_tune
from transferline.training.folded_normalization import fold_batch_normalization
from transferline.training.head_training import train_head

LEVELS = {
    "efficientnet_lite0": ("block3a_expand_relu", "block4a_expand_relu", "block6a_expand_relu", "top_relu"),
    "mobilenet_v2": ("block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu", "out_relu"),
    "densenet121": ("pool2_relu", "pool3_relu", "pool4_relu", "relu"),
}


def conv(name: str, channels: int, strides: int = 1) -> layers.Layer:
    return layers.Conv2D(channels, 1, strides, name=name)


def backbone(name: str, color: str, **settings: Any) -> keras.Model:
    section = Backbone(name=name, weights="none", **settings)
    return build_backbone(section, Image.model_construct(size=64, color=color, resize="stretch"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ImageTable]:
    return make_data(tmp_path_factory.mktemp("raw"))


def test_levels_inside_a_nested_model_are_refused() -> None:
    image = layers.Input((32, 32, 3))
    inner = keras.Model(image, conv("inner", 4, 2)(image))
    with pytest.raises(TransferlineError, match="levels cannot read the layers of a model inside outer"):
        with_levels(keras.Model(image, conv("output", 3, 2)(inner(image)), name="outer"))


def test_a_level_is_the_last_of_the_widest_maps_of_a_size() -> None:
    x = image = layers.Input((64, 64, 3))
    x = conv("as_large_as_the_image", 99)(x)
    x = conv("a_fifth_size", 98, 2)(x)
    x = layers.ReLU(name="last_of_size_16")(conv("as_wide", 4, 2)(x))
    x = conv("narrow", 2)(conv("widest_of_size_8", 6, 2)(x))
    x = layers.Conv2D(5, 3, 2, name="size_4")(layers.ZeroPadding2D(((0, 1), (0, 1)))(x))
    x = conv("wider", 97, 2)(x)
    excitation = conv("excitation", 97)(layers.GlobalAveragePooling2D(keepdims=True)(x))
    model = keras.Model(image, conv("output", 3)(layers.Multiply()([x, excitation])))
    found = with_levels(model)
    pools = [layer for layer in found.layers if layer.name.startswith("level_")]
    read = [pool.input._keras_history.operation.name for pool in pools]
    assert read == ["last_of_size_16", "widest_of_size_8", "size_4", "output"]
    assert found.output.shape == (None, 1, 1, 4 + 6 + 5 + 3)


def test_a_backbone_of_one_size_has_one_level() -> None:
    image = layers.Input((8, 8, 3))
    assert with_levels(keras.Model(image, conv("output", 5, 2)(image))).output.shape == (None, 1, 1, 5)


@pytest.mark.parametrize(
    ("name", "color"),
    [
        pytest.param("efficientnet_lite0", "rgb", marks=pytest.mark.slow),
        pytest.param("mobilenet_v2", "grayscale", marks=pytest.mark.slow),
        pytest.param("densenet121", "rgb", marks=pytest.mark.thorough),
    ],
)
def test_the_levels_of_real_backbones_are_averages_also_when_they_are_cut_and_folded(name: str, color: str) -> None:
    plain, model = (backbone(name, color, pooling=pooling) for pooling in ("avg", "levels"))
    images = np.random.default_rng(0).uniform(-1, 1, (2, *image_shape(Image.model_construct(size=64, color=color))))
    maps = keras.Model(plain.input, [plain.get_layer(level).output for level in LEVELS[name]])(images, training=False)
    wanted = np.concatenate([np.mean(each, (1, 2)) for each in maps], axis=-1)
    found = model(images, training=False)
    np.testing.assert_allclose(pool(found, "levels"), wanted, atol=1e-6)
    assert [layer.name for layer in model.layers[:-5]] == [layer.name for layer in plain.layers]
    for depth in (0.4, 1.0):
        parts = cut(model, Unfreeze(last=int(depth * len(model.layers))))
        frozen, top = (fold_batch_normalization(part) for part in (parts.frozen, parts.top))
        np.testing.assert_allclose(top(frozen(images, training=False), training=False), found, atol=1e-5)


GREY = lite0(name="mobilenet_v2", alpha=0.35, weights="none")
WITH_EXCITATION = lite0(name="mobilenet_v3_small", weights="none")


@pytest.mark.parametrize(
    ("settings", "color", "boundary"),
    [
        pytest.param(lite0(), "rgb", "block6b_expand_conv", marks=pytest.mark.slow),
        pytest.param(GREY, "grayscale", "block_14_expand", marks=pytest.mark.thorough),
        pytest.param(WITH_EXCITATION, "rgb", "expanded_conv_9_expand", marks=pytest.mark.thorough),
    ],
)
def test_a_candidate_with_levels_from_the_bank_to_the_predictions(
    data: tuple[Path, ImageTable], tmp_path: Path, settings: dict[str, Any], color: str, boundary: str
) -> None:
    """The stages check that `model.tflite` predicts as `model.keras`. Without a head, both depths are trained."""
    raw, views = data
    fast = {**TRAINING, "epochs": 1, "optimizer": {"name": "adam", "learning_rate": 1e-3}}
    section = candidate(
        backbone={**settings, "pooling": "levels", "unfreeze": ({"from_layer": boundary}, {"from_layer": 0})},
        image={"size": 32, "color": color, "resize": "stretch"},
        extract={"head_views": "untouched", "fine_tune_views": "untouched"},
        layers=(),
        train_head={"optimizer": {"name": "lbfgs"}},
        fine_tune=fast,
    )
    extract(raw, views, section, "multiclass", tmp_path / "bank")
    bank = read_bank(tmp_path / "bank")
    assert len(bank.boundary) > 1, "the levels before the boundary are stored, too"
    jobs = [job(section.train_head, tmp_path / "head", "head"), job(section.fine_tune, tmp_path / "tuned", "fine_tune")]
    first, second = (replace(each, card=each.card.model_copy(update={"image": section.image})) for each in jobs)
    train_head(bank, section, first)
    fine_tune(bank, section, None, second, raw)
    assert pd.read_csv(tmp_path / "tuned" / "history.csv")["rung"].tolist() == [1, 2]
    test = views.rows.query("split == 'test' and kind == 'untouched'").assign(group="")
    of_head, of_tuned = (score(tmp_path / name, raw, test) for name in ("head", "tuned"))
    assert len(of_head) == len(of_tuned) == 12
    if settings["weights"] == "imagenet":
        assert (of_head["label"] == of_head["predicted"]).all()


def test_levels_are_a_vector_and_no_feature_map() -> None:
    section = candidate(backbone=lite0(pooling="levels"), layers=({"kind": "conv", "filters": 8, "kernel": 1},))
    model = build_backbone(section.backbone, section.image, with_weights=False)
    features = pool(model.output, section.backbone.pooling).shape[1:]
    with pytest.raises(TransferlineError, match="needs a feature map, but gets a vector"):
        build_layers(features, section.layers, "multiclass", 3)
