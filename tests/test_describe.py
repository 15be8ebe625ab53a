from pathlib import Path

import pytest

from transferline.errors import TransferlineError
from transferline.models.describe import BoundaryTensor, describe, format_description
from transferline.params import Backbone, Head, Image, Pretrained, Unfreeze, load_params

ROOT = Path(__file__).parents[1]


def candidate(name: str, size: int, unfreeze: Unfreeze | None, hidden: tuple[int, ...] = ()) -> Pretrained:
    """Asks for ImageNet weights, which describing does not need."""
    template = load_params(ROOT / "recipes" / "digits.yaml").candidates["lite0_plain"]
    changes = {
        "image": Image(size=size, color="rgb", resize="stretch"),
        "backbone": Backbone(name=name, weights="imagenet", pooling="avg", unfreeze=unfreeze),
        "head": Head(hidden=hidden, dropout=0.2),
        "fine_tune": template.fine_tune if unfreeze else None,
    }
    return template.model_copy(update=changes)


def test_the_figures_of_a_fine_tuned_candidate() -> None:
    description = describe(candidate("mobilenet_v2", 160, Unfreeze(from_layer=100)), "binary", 2)
    assert description.layers == 154
    assert description.parameters == 2_259_265
    assert description.train_head_parameters == 1_281
    assert description.fine_tune_parameters == 1_862_721
    assert description.boundary == (BoundaryTensor(layer="block_10_project_BN", shape=(10, 10, 96)),)
    assert (description.boundary_values, description.boundary_bytes) == (9_600, 19_200)
    assert description.image == (160, 160, 3)
    text = format_description("mine", description)
    for figure in (
        "mine",
        "154 layers",
        "160×160×3",
        "2,259,265",
        "1,281",
        "1,862,721",
        "block_10_project_BN 10×10×96",
    ):
        assert figure in text


def test_the_figures_of_a_candidate_with_a_head_only() -> None:
    description = describe(candidate("efficientnet_lite0", 64, None, hidden=(128,)), "multiclass", 10)
    assert description.train_head_parameters == 1280 * 128 + 128 + 128 * 10 + 10
    assert description.parameters == 3_413_024 + description.train_head_parameters
    assert description.fine_tune_parameters is None and description.boundary == ()
    assert "nothing" in format_description("mine", description)


def test_an_unknown_layer_is_named() -> None:
    with pytest.raises(TransferlineError, match="no layer 'block5a_expand'; near are block5a_expand_bn"):
        describe(candidate("efficientnet_lite0", 64, Unfreeze(from_layer="block5a_expand")), "multiclass", 10)


def test_the_default_recipe_can_be_described() -> None:
    for name, each in load_params(ROOT / "params.yaml").candidates.items():
        assert describe(each, "multiclass", 10).fine_tune_parameters, name
