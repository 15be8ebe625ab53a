"""What `describe` counts, against figures worked out by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.tiny_training import ROOT, TRAINING
from transferline.errors import TransferlineError
from transferline.models.describe import Output, describe, describe_candidates, format_description
from transferline.params import Candidate, Problem, load_params

POOL, FLATTEN, NORMALIZE, RELU = (
    {"kind": "max_pool"},
    {"kind": "flatten"},
    {"kind": "batch_normalization"},
    {"kind": "relu"},
)


def conv(filters: int, kernel: int, **settings: Any) -> dict[str, Any]:
    return {"kind": "conv", "filters": filters, "kernel": kernel, **settings}


def dense(units: int) -> dict[str, Any]:
    return {"kind": "dense", "units": units, "activation": "relu"}


def dropout(rate: float) -> dict[str, Any]:
    return {"kind": "dropout", "rate": rate}


def stride(size: int) -> dict[str, Any]:
    return {"kind": "max_pool", "size": size}


def built(settings: dict[str, Any], size: int, color: str = "rgb") -> Candidate:
    stages = dict.fromkeys(("backbone", "extract", "train_head", "fine_tune", "train"))
    image = {"size": size, "color": color, "resize": "stretch"}
    adapter: TypeAdapter[Candidate] = TypeAdapter(Candidate)
    return adapter.validate_python({**stages, "image": image, **settings})


def on(
    name: str, size: int, layers: tuple[Any, ...], pooling: str = "none", unfreeze: Any = None, head: bool = True
) -> Candidate:
    """A candidate on ImageNet weights, which describing does not need."""
    views = {"head_views": "untouched" if head else None, "fine_tune_views": "augmented", "dtype": "float16"}
    return built(
        {
            "kind": "pretrained",
            "backbone": {"name": name, "weights": "imagenet", "pooling": pooling, "unfreeze": unfreeze},
            "extract": views,
            "layers": layers,
            "train_head": TRAINING if head else None,
            "fine_tune": TRAINING if unfreeze else None,
        },
        size,
    )


def scratch(size: int, color: str, *layers: Any) -> Candidate:
    return built({"kind": "end_to_end", "layers": layers, "train": {**TRAINING, "views": "untouched"}}, size, color)


ALEXNET = scratch(
    150,
    "rgb",
    *(conv(64, 7, activation="relu"), NORMALIZE, stride(3), conv(128, 5, activation="relu"), NORMALIZE, stride(3)),
    *(conv(filters, 3, activation="relu") for filters in (145, 145, 128)),
    *(NORMALIZE, stride(4), FLATTEN, dense(64), dense(64), dropout(0.5)),
)
SMALL, WIDE = ({**POOL, "padding": padding} for padding in ("same", "valid"))
GREY = scratch(
    56,
    "grayscale",
    *(conv(16, 5, padding="same"), conv(32, 5, padding="same", activation="relu"), NORMALIZE, RELU, WIDE, dropout(0.1)),
    *(conv(32, 5, padding="same"), conv(16, 5, padding="same"), NORMALIZE, RELU, WIDE, dropout(0.1)),
    *(conv(16, 5, padding="same"), conv(8, 5, padding="same"), NORMALIZE, RELU, dropout(0.1)),
    *(FLATTEN, dense(200), dropout(0.25)),
)
SIGNS = on(
    "mobilenet_v2",
    56,
    (
        *(conv(16, 5, padding="same"), NORMALIZE, RELU, SMALL, dropout(0.1)),
        *(conv(32, 5, padding="same"), conv(16, 5, padding="same"), NORMALIZE, RELU, SMALL, dropout(0.1)),
        *(conv(16, 5, padding="same"), conv(8, 5, padding="same"), NORMALIZE, RELU, dropout(0.1)),
        *(FLATTEN, dense(200), dropout(0.25)),
    ),
    unfreeze={"last": 5},
    head=False,
)
CNN = scratch(160, "rgb", conv(32, 3), POOL, conv(32, 3), POOL, FLATTEN, dropout(0.2), dense(64))
VGG16 = on("vgg16", 224, (FLATTEN, dense(512), dropout(0.5)))
RESNET = on("resnet50_v2", 224, (FLATTEN, dense(512), dropout(0.3), dense(512), dropout(0.3)))
WASTE = on("mobilenet_v2", 160, (dropout(0.2),), "avg", {"from_layer": 100})

# Worked out by hand. A convolution has kernel² × channels in × filters + filters parameters, a dense layer in × out +
# out, a batch normalisation 4 a channel, of which 2 are trained. Sides: alexnet 150, 144, 48, 44, 14, 12, 10, 8, 2;
# grey signs 56, 28, 14; signs 2, 1, 1, on the 2×2×1280 of MobileNetV2, whose last five layers have
# 960 × 320 + 2 × 320 + 320 × 1280 + 2 × 1280 trained parameters; cnn 160, 158, 79, 77, 38.


@pytest.mark.parametrize(
    ("candidate", "problem", "classes", "total", "head", "fine_tune", "train"),
    [
        pytest.param(WASTE, "binary", 2, 2_259_265, 1_281, 1_862_721, None, id="waste"),
        pytest.param(ALEXNET, "multilabel", 20, 777_695, None, None, 777_055, id="alexnet"),
        pytest.param(VGG16, "multilabel", 20, 27_570_516, 12_855_828, None, None, id="vgg16"),
        pytest.param(RESNET, "multilabel", 20, 75_218_452, 51_653_652, None, None, id="resnet50_v2"),
        pytest.param(GREY, "multiclass", 62, 387_806, None, None, 387_694, id="grey signs"),
        pytest.param(SIGNS, "multiclass", 62, 2_819_694, None, 1_281_630, None, id="signs"),
        pytest.param(CNN, "multiclass", 2, 2_967_650, None, None, 2_967_650, id="cnn"),
    ],
)
def test_the_parameters_of_the_recipes(
    candidate: Candidate, problem: Problem, classes: int, total: int, head: Any, fine_tune: Any, train: Any
):
    found = describe(candidate, problem, classes)
    counts = (found.train_head_parameters, found.fine_tune_parameters, found.train_parameters)
    assert (found.parameters, *counts) == (total, head, fine_tune, train)


def test_a_fine_tuned_candidate_in_words_and_shapes():
    found = describe(WASTE, "binary", 2)
    assert (found.layers, found.image, found.features) == (154, (160, 160, 3), (1280,))
    assert found.boundary == (Output(layer="block_10_project_BN", shape=(10, 10, 96)),)
    assert (found.boundary_values, found.boundary_bytes) == (9_600, 19_200)
    text = format_description("mine", found)
    figures = ["mine", "mobilenet_v2, 154 layers", "160×160×3", "2,259,265", "1,281", "1,862,721"]
    for figure in [*figures, "block_10_project_BN 10×10×96", "layers_0_dropout", "trained in train_head"]:
        assert figure in text
    assert "trained in train " not in text


def test_a_network_from_scratch_is_listed_layer_by_layer():
    found = describe(CNN, "multiclass", 2)
    assert (found.kind, found.backbone, found.layers, found.boundary) == ("end_to_end", None, 9, ())
    assert [layer.shape for layer in found.own_layers][:3] == [(158, 158, 32), (79, 79, 32), (77, 77, 32)]
    assert [layer.parameters for layer in found.own_layers] == [896, 0, 9_248, 0, 0, 0, 2_957_376, 130]
    text = format_description("cnn", found)
    for figure in ("from scratch, 9 layers", "layers_4_flatten", "46208", "2,957,376", "trained in train"):
        assert figure in text


def test_an_unknown_layer_is_named_with_the_candidate():
    params = load_params(ROOT / "recipes" / "digits.yaml")
    backbone = params.candidates["lite0_plain"].backbone.model_copy(
        update={"unfreeze": WASTE.backbone.unfreeze.model_copy(update={"from_layer": "block5a_expand"})}
    )
    wrong = params.candidates["lite0_plain"].model_copy(update={"backbone": backbone})
    broken = params.model_copy(update={"candidates": {"mine": wrong}})
    with pytest.raises(TransferlineError, match=r"candidates\.mine: .*'block5a_expand'; near are block5a_expand_bn"):
        describe_candidates(broken, None, 10, as_json=True)


def test_the_default_recipe_is_described_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    params = load_params(ROOT / "recipes" / "digits.yaml")
    found = json.loads(describe_candidates(params, None, 10, as_json=True))
    assert set(found) == set(params.candidates)
    hidden = found["lite0_hidden"]
    assert hidden["train_head_parameters"] == 1280 * 128 + 128 + 128 * 10 + 10
    assert hidden["parameters"] == 3_413_024 + hidden["train_head_parameters"]
    assert hidden["train_parameters"] is None and hidden["features"] == [1280]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TransferlineError, match="not known before validate has run; give --classes N"):
        describe_candidates(params, None, None, as_json=False)
    with pytest.raises(TransferlineError, match=r"there is no candidate big; .* has lite0_plain, lite0_hidden"):
        describe_candidates(params, "big", 10, as_json=False)
