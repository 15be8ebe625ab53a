"""The counts of `describe_candidate`, compared with numbers that were computed by hand."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import ROOT
from transferline.datasets.tables import ImageTable, write_table
from transferline.errors import TransferlineError
from transferline.models import backbone_sizes
from transferline.models.backbone_sizes import backbone_table
from transferline.models.candidate_description import (
    Output,
    describe_candidate,
    describe_candidates,
    format_description,
)
from transferline.params import Candidate, Unfreeze, load_params
from transferline.paths import MANIFEST


def candidate(recipe: str, name: str) -> Candidate:
    return load_params(ROOT / "recipes" / f"{recipe}.yaml").candidates[name]


# Worked out by hand from the descriptions of the jobs. A convolution has kernel² × channels in × filters + filters
# parameters, a dense layer in × out + out, a batch normalisation 4 a channel, of which 2 are trained. Sides: alexnet
# 150, 144, 48, 44, 14, 12, 10, 8, 2; grey signs 56, 28, 14; signs 2, 1, 1, on the 2×2×1280 of MobileNetV2, whose last
# five layers have 960 × 320 + 2 × 320 + 320 × 1280 + 2 × 1280 trained parameters, and its last two 2 × 1280; cnn 160,
# 158, 79, 77, 38; the two convolutions of cats and dogs stand on 5×5×1280.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "name", "classes", "total", "head", "fine_tune", "train"),
    [
        ("waste", "mobilenet_v2", 2, 2_259_265, 1_281, 1_862_721, None),
        ("bottles", "mobilenet_v2", 5, 2_264_389, 6_405, None, None),
        ("bottles", "inception_v3", 5, 21_813_029, 10_245, None, None),
        ("voc2009", "alexnet", 20, 777_695, None, None, 777_055),
        ("voc2009", "vgg16", 20, 27_570_516, 12_855_828, None, None),
        ("voc2009", "resnet50_v2", 20, 75_218_452, 51_653_652, None, None),
        ("voc2009", "mobilenet_v2", 20, 2_283_604, 25_620, 28_180, None),
        ("traffic_signs", "cnn", 62, 387_806, None, None, 387_694),
        ("traffic_signs", "mobilenet_v2", 62, 2_819_694, None, 1_281_630, None),
        ("cats_vs_dogs", "cnn", 2, 2_967_650, None, None, 2_967_650),
        ("cats_vs_dogs", "cnn_augmented", 2, 2_967_650, None, None, 2_967_650),
        ("cats_vs_dogs", "cnn_rescaled", 2, 2_967_650, None, None, 2_967_650),
        ("cats_vs_dogs", "mobilenet_v2", 2, 2_635_970, 377_986, None, None),
    ],
)
def test_the_parameters_of_the_recipes(
    recipe: str, name: str, classes: int, total: int, head: Any, fine_tune: Any, train: Any
):
    params = load_params(ROOT / "recipes" / f"{recipe}.yaml")
    found = json.loads(describe_candidates(params, name, classes, as_json=True))[name]
    counts = [found[f"{stage}_parameters"] for stage in ("train_head", "fine_tune", "train")]
    assert [found["parameters"], *counts] == [total, head, fine_tune, train]


def test_a_fine_tuned_candidate_in_words_and_shapes():
    found = describe_candidate(candidate("waste", "mobilenet_v2"), "binary", 2)
    assert (found.layers, found.image, found.features) == (154, (160, 160, 3), (1280,))
    assert found.boundary == (Output(layer="block_10_project_BN", shape=(10, 10, 96)),)
    assert (found.boundary_values, found.boundary_bytes) == (9_600, 19_200)
    text = format_description("mine", found)
    figures = ["mine", "mobilenet_v2, 154 layers", "160×160×3", "2,259,265", "1,281", "1,862,721"]
    for figure in [*figures, "block_10_project_BN 10×10×96", "layers_0_dropout", "trained in train_head"]:
        assert figure in text
    assert "trained in train " not in text


def test_a_network_from_scratch_is_listed_layer_by_layer():
    found = describe_candidate(candidate("cats_vs_dogs", "cnn"), "multiclass", 2)
    assert (found.kind, found.backbone, found.layers, found.boundary) == ("end_to_end", None, 9, ())
    assert [layer.shape for layer in found.own_layers][:3] == [(158, 158, 32), (79, 79, 32), (77, 77, 32)]
    assert [layer.parameters for layer in found.own_layers] == [896, 0, 9_248, 0, 0, 0, 2_957_376, 130]
    text = format_description("cnn", found)
    for figure in ("from scratch, 9 layers", "layers_4_flatten", "46208", "2,957,376", "trained in train"):
        assert figure in text


def test_an_unknown_layer_is_named_with_the_candidate():
    params = load_params(ROOT / "recipes" / "digits.yaml")
    backbone = params.candidates["lite0_plain"].backbone.model_copy(
        update={"unfreeze": Unfreeze(from_layer="block5a_expand")}
    )
    wrong = params.candidates["lite0_plain"].model_copy(update={"backbone": backbone})
    broken = params.model_copy(update={"candidates": {"mine": wrong}})
    with pytest.raises(
        TransferlineError, match=r"candidates\.mine: .*'block5a_expand'; similar names are block5a_expand_bn"
    ):
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
    with pytest.raises(
        TransferlineError,
        match="the number of classes of digits is not known, because data/raw/digits is missing; give --classes N",
    ):
        describe_candidates(params, None, None, as_json=False)
    with pytest.raises(TransferlineError, match=r"there is no candidate big; .* has lite0_plain, lite0_hidden"):
        describe_candidates(params, "big", 10, as_json=False)


@pytest.mark.slow
def test_the_classes_of_another_dataset_are_not_those_of_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """After `use` the manifest is still that of the dataset before."""
    monkeypatch.chdir(tmp_path)
    params = load_params(ROOT / "recipes" / "digits.yaml")
    rows = pd.DataFrame({"path": ["a/1.png", "b/1.png"], "label": ["a", "b"]})
    (tmp_path / "data" / "raw" / "letters" / "a").mkdir(parents=True)
    (tmp_path / "data" / "raw" / "letters" / "a" / "1.png").touch()
    write_table(ImageTable(rows, ("a", "b", "c")), MANIFEST)
    with pytest.raises(TransferlineError, match="the number of classes of digits is not known"):
        describe_candidates(params, None, None, as_json=True)
    (tmp_path / "data" / "raw" / "letters").rename(tmp_path / "data" / "raw" / "digits")
    found = json.loads(describe_candidates(params, "lite0_plain", None, as_json=True))
    assert found == json.loads(describe_candidates(params, "lite0_plain", 3, as_json=True))
    MANIFEST.unlink()
    for name in "bcde":
        (tmp_path / "data" / "raw" / "digits" / name).mkdir()
        (tmp_path / "data" / "raw" / "digits" / name / "1.png").touch()
    found = json.loads(describe_candidates(params, "lite0_plain", None, as_json=True))
    assert found == json.loads(describe_candidates(params, "lite0_plain", 5, as_json=True)), "counted in the files"


@pytest.mark.slow
def test_the_table_of_backbones_is_measured_once(
    no_converted_networks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(backbone_sizes, "has_imagenet_weights", lambda name: name == "mobilenet_v2")
    lines = backbone_table().splitlines()
    assert len(lines) == 2 and lines[1].split()[:3] == ["mobilenet_v2", "224", "2,257,984"]
    megabytes, milliseconds = map(float, lines[1].split()[3:])
    assert 8 < megabytes < 10 and milliseconds > 0
    assert "measuring mobilenet_v2" in capsys.readouterr().out
    monkeypatch.setattr(backbone_sizes, "_measure", lambda name: pytest.fail("measured again"))
    assert backbone_table().splitlines() == lines
