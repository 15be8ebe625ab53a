"""The networks and settings that `transferline tune` tries."""

import json
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from tests.test_tune import PHOTOS, SMALL, table
from transferline.params import FineTuning, Pretrained
from transferline.params.backbone import WeightsFile
from transferline.params.training import Adam
from transferline.tuning import search_space
from transferline.tuning.search_space import (
    Network,
    Settings,
    augment_of,
    candidate_of,
    networks_to_try,
    present_settings,
)
from transferline.tuning.trial_scores import Data
from transferline.tuning.tune_candidate import base_candidate


def test_the_networks_have_their_native_side_and_the_quick_ones_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_space, "has_imagenet_weights", ("efficientnet_lite0", "efficientnet_lite2").__contains__)
    found = networks_to_try(PHOTOS, base_candidate(PHOTOS))
    assert {one.side for one in found} == {192, 224, 260, 320}
    assert {(one.backbone, one.side) for one in found} >= {("efficientnet_lite0", 224), ("efficientnet_lite2", 260)}
    assert [one.side for one in found[:-1]] == sorted(one.side for one in found[:-1])
    assert {one.head_views for one in found[:-1]} == {"untouched"}, "the params allow no flip"
    assert found[-1] == Network("efficientnet_lite2", 260, "augmented", "levels"), "the own network, and it takes long"
    assert {one.pooling for one in found} == {"levels"}, "as in the recipe"
    assert len({str(one) for one in found}) == len(found)


def own(**backbone: object) -> Pretrained:
    """The candidate of the recipe photos with other keys of its backbone."""
    tree = base_candidate(PHOTOS).model_dump(mode="json")
    tree["backbone"] |= backbone
    tree["image"]["size"] = 160
    return Pretrained.model_validate_json(json.dumps(tree))


def test_the_own_backbone_is_tried_with_its_weights_width_and_pooling() -> None:
    weights = {"path": "w.h5", "sha256": "0" * 64}
    base = own(name="mobilenet_v2", alpha=0.35, weights=weights, pooling="max", unfreeze={"last": 5})
    found = networks_to_try(PHOTOS, base)
    assert {one.side for one in found if one.backbone == "mobilenet_v2"} == {128, 160, 192, 224}
    order = [(one.pooling == "levels", one.side) for one in found[:-1]]
    assert order == sorted(order) and {one.pooling for one in found} == {"max", "levels"}, "levels come after the own"
    assert found[-1].pooling == "max"
    networks = (Network("mobilenet_v2", 160, "untouched", "max"), Network("efficientnet_lite0", 160, "untouched"))
    same, other = (candidate_of(Settings(each), base).backbone for each in networks)
    assert (same.alpha, same.pooling, same.weights) == (0.35, "max", base.backbone.weights)
    assert (other.alpha, other.pooling, other.weights) == (None, "avg", "imagenet")
    assert candidate_of(present_settings(base), base) is base


def test_a_head_on_a_map_becomes_one_on_a_vector_and_grey_images_stay_grey() -> None:
    base = base_candidate(PHOTOS)
    base = base.model_copy(
        update={
            "backbone": base.backbone.model_copy(
                update={"pooling": "none", "weights": WeightsFile(path="grey.h5", sha256="0" * 64)}
            ),
            "image": base.image.model_copy(update={"color": "grayscale"}),
        }
    )
    own, other = (
        candidate_of(Settings(Network(name, 64, "untouched")), base) for name in (base.backbone.name, "vgg16")
    )
    assert {one.pooling for one in networks_to_try(PHOTOS, base)} == {"avg", "levels"}
    assert own.backbone.pooling == "avg" and own.image.color == "grayscale"
    assert other.backbone.pooling == "avg" and other.image.color == "rgb"


def test_a_trial_leaves_the_logs_of_tensorboard_alone(tmp_path: Path) -> None:
    base = base_candidate(PHOTOS)
    assert base.fine_tune is not None
    logged = base.model_copy(update={"fine_tune": base.fine_tune.model_copy(update={"tensorboard": True})})
    job = Data(PHOTOS, Path(), [table(20, 10)], tmp_path).job(logged, "fine_tune", tmp_path, lambda row: None)
    assert isinstance(job.training, FineTuning) and job.training.tensorboard is False


def test_flips_in_the_params_add_heads_on_flipped_views() -> None:
    flipped = PHOTOS.model_copy(update={"augment": PHOTOS.augment.model_copy(update={"horizontal_flip": True})})
    plain, both = (networks_to_try(params, base_candidate(params)) for params in (PHOTOS, flipped))
    assert set(both[:-1]) == {
        replace(one, head_views=views) for one in plain[:-1] for views in ("untouched", "flipped")
    }


@pytest.mark.parametrize("depth", search_space.DEPTHS)
def test_settings_become_a_candidate(depth: str) -> None:
    found = candidate_of(Settings(SMALL, depth, 1e-3, 0.1, "wider", 200, 0.1), base_candidate(PHOTOS))
    assert (found.image.size, found.backbone.name, len(found.backbone.boundaries)) == (
        32,
        "efficientnet_lite0",
        len(search_space.DEPTHS[depth]),
    )
    assert found.fine_tune and found.fine_tune.optimizer == Adam(name="adam", learning_rate=1e-3, weight_decay=0.1)


def test_a_share_of_the_layers_counts_those_of_the_levels() -> None:
    networks = (replace(SMALL, pooling=pooling) for pooling in ("avg", "levels"))
    plain, levels = (
        candidate_of(Settings(each, "whole", 1e-3, 0.1, "params", 200), base_candidate(PHOTOS)).backbone.boundaries
        for each in networks
    )
    assert levels[-1].last == plain[-1].last + 5


@pytest.mark.parametrize("depth", ["head", "whole"])
def test_a_candidate_of_a_trial_keeps_the_class_weights_of_head_and_fine_tuning(depth: str) -> None:
    tree = base_candidate(PHOTOS).model_dump(mode="json")
    for section in ("train_head", "fine_tune"):
        tree[section] |= {"class_weights": "balanced", "monitor": "val_accuracy"}
    found = candidate_of(
        Settings(SMALL, depth, 1e-3, 0.1, "wider", 200), Pretrained.model_validate_json(json.dumps(tree))
    )
    trained = [one for one in (found.train_head, found.fine_tune) if one]
    assert len(trained) == (1 if depth == "head" else 2)
    assert all((one.class_weights, one.monitor) == ("balanced", "val_accuracy") for one in trained)


def test_no_augmentation_adds_a_flip_or_narrows_a_range() -> None:
    augment = PHOTOS.augment.model_copy(update={"rotation": (-90.0, 90.0), "zoom": (0.95, 1.05)})
    wider = augment_of(Settings(SMALL, "whole", 1e-3, 0.1, "wider"), augment)
    assert not wider.horizontal_flip and not wider.vertical_flip
    assert (wider.rotation, wider.zoom) == ((-90.0, 90.0), (0.8, 1.2))
    assert augment_of(Settings(SMALL, "whole", 1e-3, 0.1, "none"), augment) == augment


@pytest.mark.parametrize("side", [5.0, 15.0])
def test_wider_ranges_are_tried_only_if_they_differ_from_the_params(side: float) -> None:
    augment = PHOTOS.augment.model_copy(update={"rotation": (-side, side)})
    trial = optuna.trial.FixedTrial(
        {
            "network": "a",
            "depth": "whole",
            "learning_rate": 1e-3,
            "label_smoothing": 0.1,
            "weight_decay": 0.0,
            "megapixels": 200,
            "augmentation": "wider",
        }
    )
    search_space.suggest(trial, ["a"], augment)
    assert ("augmentation" in trial.params) == (side < 15)
