"""The layers of the params: the Keras layers that they become, and the error if they do not fit together."""

from typing import Any

import keras
import numpy as np
import pytest
from pydantic import TypeAdapter

from tests.tiny_training import LAYERS, candidate, lite0, make_data
from transferline.errors import TransferlineError
from transferline.models.exported import MODEL_FILE, load_keras_model
from transferline.models.layers import build_layers
from transferline.params import Image, Layers
from transferline.training.assemble_model import assemble_network
from transferline.training.fill_bank import extract

FLATTEN, DENSE, MEAN = {"kind": "flatten"}, {"kind": "dense", "units": 4}, {"kind": "global_average_pool"}


def conv(kernel: int, **settings: Any) -> dict[str, Any]:
    return {"kind": "conv", "filters": 4, "kernel": kernel, **settings}


def build(shape: tuple[int, ...], *layers: dict[str, Any]) -> keras.Model:
    return build_layers(shape, TypeAdapter(Layers).validate_python(layers), "multiclass", 3)


def test_every_kind_of_layer_gives_the_shape_that_it_says():
    model = build(
        (16, 16, 3),
        {"kind": "rescale", "low": -1.0, "high": 1.0},
        conv(5, strides=2, padding="same", activation="relu"),
        {"kind": "batch_normalization"},
        {"kind": "relu"},
        {"kind": "max_pool", "size": 3, "padding": "same"},
        {"kind": "average_pool"},
        conv(1),
        {"kind": "dropout", "rate": 0.5},
        {"kind": "global_max_pool"},
        DENSE,
    )
    sides = [16, 8, 8, 8, 3, 1, 1, 1]
    assert [layer.output.shape[1] for layer in model.layers[1:9]] == sides
    assert [layer.output.shape[1:] for layer in model.layers[9:]] == [(4,), (4,), (3,)]
    names = [layer.name for layer in model.layers]
    assert names[1] == "layers_0_rescale" and names[-2:] == ["layers_9_dense", "logits"]
    black, white = (model.layers[1](np.full((1, 16, 16, 3), value, np.float32)) for value in (0, 255))
    assert np.unique(black).tolist() == [-1] and np.unique(white).tolist() == pytest.approx([1])


@pytest.mark.parametrize(
    ("shape", "layers", "message"),
    [
        (
            (8, 8, 3),
            [conv(3), DENSE],
            r"layers\.1 \(dense\): needs a vector, but gets a feature map 6×6×4; put flatten",
        ),
        ((1280,), [DENSE, conv(3)], r"layers\.1 \(conv\): needs a feature map, but gets a vector 4"),
        ((8, 8, 3), [MEAN, MEAN], r"layers\.1 \(global_average_pool\): needs a feature map, but gets a vector 3"),
        ((1, 1, 3), [{"kind": "max_pool"}], r"layers\.0 \(max_pool\): is larger than the feature map 1×1×3"),
        ((2, 2, 3), [conv(3)], r"layers\.0 \(conv\): is larger than the feature map 2×2×3; .*padding: same"),
        ((8, 8, 3), [conv(3)], r"outputs a feature map 6×6×4, but the logits after it need a vector; add flatten"),
    ],
)
def test_a_layer_that_does_not_fit_is_named(shape: tuple[int, ...], layers: list[Any], message: str):
    with pytest.raises(TransferlineError, match=message):
        build(shape, *layers)


@pytest.mark.slow
def test_layers_that_do_not_fit_on_a_backbone_are_refused_before_anything_is_extracted(tmp_path):
    raw, views = make_data(tmp_path / "raw")
    section = candidate(layers=(conv(3), FLATTEN), backbone=lite0(pooling="none"))
    with pytest.raises(TransferlineError, match=r"layers\.0 \(conv\): is larger than the feature map 1×1×1280"):
        extract(raw, views, section, "multiclass", tmp_path / "bank")
    assert not (tmp_path / "bank").exists()


@pytest.mark.parametrize(("problem", "outputs"), [("binary", 1), ("multiclass", 3), ("multilabel", 3)])
def test_an_exported_network_takes_raw_images_and_gives_probabilities(problem: Any, outputs: int, tmp_path):
    network = build_layers((32, 32, 1), TypeAdapter(Layers).validate_python(LAYERS), problem, 3)
    image = Image(size=32, color="grayscale", resize="stretch")
    assemble_network(network, image, problem).model.save(tmp_path / MODEL_FILE)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1)).astype(np.uint8)
    found = np.asarray(load_keras_model(tmp_path)(images))
    logits = np.asarray(network(images.astype(np.float32)))
    assert found.shape == (4, outputs)
    powers = np.exp(logits)
    wanted = powers / powers.sum(axis=1, keepdims=True) if problem == "multiclass" else powers / (1 + powers)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
