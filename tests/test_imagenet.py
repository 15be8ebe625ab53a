"""Backbones with their top: the names of ImageNet's classes, a replacement for a download, and the installed weights on
photographs."""

from pathlib import Path

import keras
import numpy as np
import pytest

from transferline.errors import TransferlineError
from transferline.models.imagenet import class_names, imagenet_model
from transferline.prediction.named_model import open_model
from transferline.problems.label_predictions import KEPT, predict_images

PHOTOS = Path(__file__).parents[2] / "shared" / "data" / "cats_dogs" / "validation"
CATS, DOGS = range(281, 286), range(151, 269)


def test_the_names_are_those_of_imagenet_and_no_two_are_the_same():
    names = class_names()
    assert len(set(names)) == 1000
    assert [names[index] for index in (0, 281, 285, 151, 268, 999)] == [
        "tench",
        "tabby",
        "Egyptian cat",
        "Chihuahua",
        "Mexican hairless",
        "toilet tissue",
    ]
    assert (names[134], names[517]) == ("crane (n02012849)", "crane (n03126707)")


def test_an_unknown_backbone_is_named_with_the_nearest():
    with pytest.raises(TransferlineError, match="imagenet:mobilnet_v2: no such backbone; did you mean mobilenet_v2"):
        open_model("imagenet:mobilnet_v2")


def test_weights_that_cannot_be_had_are_an_error_with_advice(monkeypatch):
    def offline(**arguments):
        raise Exception("URL fetch failure on https://…/mobilenet_v2.h5")

    monkeypatch.setattr(keras.applications.mobilenet_v2, "MobileNetV2", offline)
    with pytest.raises(
        TransferlineError, match=r"(?s)mobilenet_v2 cannot be downloaded: URL fetch.*efficientnet_lite0"
    ):
        open_model("imagenet:mobilenet_v2")


def test_a_backbone_takes_raw_images_of_the_size_that_it_was_trained_with(monkeypatch):
    def stand_in(include_top, weights):
        """Class 0 gets the mean of what comes out of the preprocessing, which is -1 to 1 for MobileNetV2."""
        assert include_top and weights == "imagenet"
        image = keras.Input((48, 48, 3))
        mean = keras.layers.GlobalAveragePooling2D()(image)
        top = keras.layers.Dense(1000, use_bias=False, kernel_initializer="zeros")
        network = keras.Model(image, top(mean))
        top.set_weights([np.eye(1, 1000).repeat(3, axis=0) / 3])
        return network

    monkeypatch.setattr(keras.applications.mobilenet_v2, "MobileNetV2", stand_in)
    card, model = imagenet_model("mobilenet_v2")
    assert (card.image.size, card.image.resize, len(card.classes)) == (48, "crop", 1000)
    images = np.stack([np.zeros((48, 48, 3), np.uint8), np.full((48, 48, 3), 255, np.uint8)])
    np.testing.assert_allclose(model.probabilities(images)[:, 0], [-1, 1], atol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs the photographs in ../shared/data")
@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite2"])
def test_the_installed_weights_know_cats_and_dogs(name):
    card, model, _ = open_model(f"imagenet:{name}")
    for animal, family in {"cats": CATS, "dogs": DOGS}.items():
        names = {card.classes[index] for index in family}
        found = list(predict_images(card, model, sorted((PHOTOS / animal).glob("*.jpg"))[:60]))
        assert all(len(prediction.probabilities) == KEPT for prediction in found)
        assert np.mean([prediction.label in names for prediction in found]) > 0.75
        assert np.mean([bool(names & set(prediction.probabilities)) for prediction in found]) > 0.9
