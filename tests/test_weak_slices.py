"""Weak slices: images on which a model is wrong more often than elsewhere, beyond chance."""

import json

import numpy as np
import pandas as pd
import pytest

from transferline.arrays import Array
from transferline.insight.weak_slices import WORST, holm, p_worse, weak_slices
from transferline.not_applicable import NotApplicableError
from transferline.params import Evaluate

pytestmark = pytest.mark.usefixtures("one_thread")

PARAMS = Evaluate(bootstrap=100)


def predictions(n: int, seed: int = 0, error: float = 0.1) -> pd.DataFrame:
    """Predictions that are wrong at random."""
    random = np.random.default_rng(seed)
    label = np.array(["cat", "dog"])[random.integers(2, size=n)]
    wrong = random.random(n) < error
    other = np.where(label == "cat", "dog", "cat")
    return pd.DataFrame(
        {
            "path": [f"camera{number % 3}/{number}.png" for number in range(n)],
            "label": label,
            "predicted": np.where(wrong, other, label),
            "certainty": random.random(n),
            "group": [f"{number:064}" for number in range(n)],
            **{name: random.random(n) * 255 for name in ("brightness", "contrast", "sharpness")},
            "width": random.integers(100, 200, n),
            "height": random.integers(100, 200, n),
        }
    )


def spoil(images: pd.DataFrame, rows: Array, share: float = 0.5) -> pd.DataFrame:
    """The same predictions, with a share of those rows wrong."""
    chosen = images.index[rows & (np.random.default_rng(1).random(len(images)) < share)]
    other = {"cat": "dog", "dog": "cat"}
    images.loc[chosen, "predicted"] = images["label"][chosen].map(other)
    return images


def test_dark_images_are_the_weak_slice() -> None:
    images = predictions(400)
    dark = (images["brightness"] <= images["brightness"].quantile(0.25)).to_numpy()
    found = weak_slices(spoil(images, dark), None, PARAMS)
    first = found["slices"][0]
    assert first["by"] == "brightness" and first["is_weak"] and first["images"] == 100
    assert first["slice"].startswith(f"{images['brightness'].min():.4g} to ")
    assert first["accuracy_low"] < first["accuracy"] < 0.6 < 0.8 < first["elsewhere"]
    wrong = images[dark & (images["label"] != images["predicted"])].sort_values("certainty", ascending=False)
    assert first["samples"] == wrong["path"].head(8).tolist()
    assert [("samples" in each) for each in found["slices"]] == [number < WORST for number in range(found["tested"])]
    assert not [each for each in found["slices"] if each["is_weak"] and each["by"] != "brightness"]
    assert found["tested"] == 5 * 4 + 3 == len(found["slices"]) and found["images"] == 400
    json.dumps(found)


def test_a_folder_and_a_cluster_are_found() -> None:
    images = predictions(300)
    camera = images["path"].str.startswith("camera1").to_numpy()
    found = weak_slices(spoil(images, camera), None, PARAMS)["slices"][0]
    assert (found["by"], found["slice"]) == ("folder", "camera1")
    images = predictions(300)
    features = np.random.default_rng(2).normal(0, 0.1, (300, 8)) + 1
    odd = np.arange(300) < 60
    features[odd, 0] += 5
    found = weak_slices(spoil(images, odd, 0.6), features.astype(np.float16), PARAMS)["slices"][0]
    assert found["by"] == "cluster" and found["is_weak"] and found["accuracy"] < 0.6


def test_folders_that_are_classes_are_no_slices() -> None:
    images = predictions(100)
    images["path"] = images["label"] + "/" + images["path"].str.replace("/", "_")
    assert "folder" not in {each["by"] for each in weak_slices(images, None, PARAMS)["slices"]}


def test_a_folder_needs_10_images() -> None:
    images = predictions(60)
    images["path"] = [f"{'nine' if n < 9 else 'ten' if n < 19 else 'others'}/{n}.png" for n in range(60)]
    found = weak_slices(images, None, PARAMS)["slices"]
    assert {each["slice"]: each["images"] for each in found if each["by"] == "folder"} == {"ten": 10, "others": 41}


def test_a_prediction_with_one_label_too_few_is_wrong() -> None:
    images = predictions(40).assign(label="a|b", predicted="a|b")
    images.loc[:9, "predicted"] = "a"
    assert weak_slices(images, None, PARAMS)["accuracy"] == 0.75


@pytest.mark.filterwarnings("error")
def test_features_that_are_all_the_same_are_no_slices() -> None:
    found = weak_slices(predictions(100), np.ones((100, 4), np.float16), PARAMS)
    assert "cluster" not in {each["by"] for each in found["slices"]}


def test_values_that_are_all_the_same_are_no_slices() -> None:
    images = predictions(100).assign(width=64, height=64, sharpness=0.0)
    assert {each["by"] for each in weak_slices(images, None, PARAMS)["slices"]} == {"brightness", "contrast", "folder"}


@pytest.mark.slow
def test_chance_alone_seldom_makes_a_slice_weak() -> None:
    """A level of 5 % for all slices of a dataset together."""
    draws = [weak_slices(predictions(120, seed), None, PARAMS)["slices"] for seed in range(60)]
    assert sum(found[0]["is_weak"] for found in draws) <= 6


def test_groups_count_and_not_their_images() -> None:
    """Ten tracks of 20 images, of which two are wrong: 40 wrong images would be evidence, two tracks are not."""
    groups, members = np.repeat(np.arange(10), 20), np.repeat(np.arange(10) < 5, 20)
    correct = ~np.repeat(np.isin(np.arange(10), [0, 1]), 20)
    assert p_worse(correct, members, np.arange(200)) < 1e-6 < 0.03 < p_worse(correct, members, groups)
    assert p_worse(np.ones(200, bool), members, groups) == 1


def test_a_slice_of_one_group_is_not_weak_by_chance() -> None:
    """The residuals of a whole group sum to 0, so the variance between groups counts as 0 in such a slice."""
    groups = np.repeat(np.arange(20), 12)
    draws = (np.random.default_rng(seed).random(240) < 0.8 for seed in range(20))
    least = [min(p_worse(correct, groups == one, groups) for one in range(20)) for correct in draws]
    assert sum(p < 0.05 / 20 for p in least) <= 2


def test_a_group_that_is_all_wrong_is_evidence() -> None:
    groups = np.repeat(np.arange(20), 10)
    assert p_worse(groups > 0, groups == 0, groups) < 1e-6


def test_groups_of_ten_images_are_slices() -> None:
    images = predictions(200)
    images["group"] = [f"track{number // 20}" for number in range(200)]
    found = weak_slices(images, None, PARAMS)["slices"]
    assert sum(each["by"] == "group" for each in found) == 10


def test_holms_correction() -> None:
    assert holm(np.array([0.04, 0.01, 0.03, 0.9])).tolist() == pytest.approx([0.09, 0.04, 0.09, 0.9])


def test_few_images_are_a_reason() -> None:
    with pytest.raises(NotApplicableError, match="there are 19 images"):
        weak_slices(predictions(19), None, PARAMS)
