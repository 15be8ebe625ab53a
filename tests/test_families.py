"""All steps from a backbone to an exported model, for every family of backbones."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.test_backbones import ROOT, backbone, square
from transferline.models.backbone_cut import cut
from transferline.models.backbones import build_backbone, preprocessing
from transferline.models.convert import convert
from transferline.models.exported import MODEL_FILE, load_keras_model
from transferline.models.layers import build_layers
from transferline.models.lite import LiteModel
from transferline.params import Pretrained, Unfreeze, load_params
from transferline.params.backbone_names import BACKBONES
from transferline.training.assemble_model import assemble
from transferline.training.folded_normalization import fold_batch_normalization

FAMILIES = ["mobilenet_v2", "mobilenet", "mobilenet_v3_small", "vgg16", "resnet50", "resnet50_v2", "inception_v3"]
FAMILIES += ["xception", "densenet121", "nasnet_mobile", "efficientnet_b0"]
FAMILIES += ["efficientnet_v2_b0", "convnext_tiny", "efficientnet_lite0"]
# without normalisation, with it, with squeeze and excitation, and the default
OF_MAKE_TEST = {"vgg16", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_lite0"}


def randomise_normalizations(model: keras.Model) -> None:
    """Statistics as after training, where a fresh network has zeros and ones."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.weights])


def candidate(name: str, size: int) -> Pretrained:
    template = load_params(ROOT / "recipes" / "digits.yaml").candidates["lite0_plain"]
    return template.model_copy(update={"backbone": backbone(name), "image": square(size)})


def two_images(size: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(0, 256, (2, size, size, 3)).astype(np.uint8)


def assert_close(result: Any, wanted: Any, relative: float) -> None:
    np.testing.assert_allclose(result, wanted, rtol=0, atol=relative * np.abs(wanted).max())


def linear_normalizations(model: keras.Model) -> list[str]:
    """Batch normalisations right behind a convolution that nothing else reads."""
    return [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        and isinstance(source := layer.input._keras_history.operation, keras.layers.Conv2D)
        and len(source._outbound_nodes) == 1
        and source.activation is keras.activations.linear
    ]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in OF_MAKE_TEST else pytest.mark.thorough) for name in FAMILIES],
)
def test_every_family_is_built_folded_cut_and_exported(name: str, tmp_path: Path) -> None:
    size = BACKBONES[name].min_side
    model = build_backbone(backbone(name), square(size))
    randomise_normalizations(model)
    images = two_images(size)
    inputs = preprocessing(name)(images)
    wanted = np.asarray(model(inputs, training=False))
    assert wanted.shape[1] >= 1 and wanted.std() > 0

    had_to_fold = linear_normalizations(model)
    folded = fold_batch_normalization(model)
    assert_close(folded(inputs, training=False), wanted, 2e-5)
    assert not set(had_to_fold) & {layer.name for layer in folded.layers}
    np.testing.assert_array_equal(model(inputs, training=False), wanted)

    parts = cut(model, Unfreeze(last=len(model.layers) // 4))
    np.testing.assert_array_equal(parts.top(parts.frozen(inputs, training=False), training=False), wanted)
    assert not set(parts.frozen.layers) & set(parts.trainable)
    top = fold_batch_normalization(parts.top)
    assert_close(top(fold_batch_normalization(parts.frozen)(inputs, training=False), training=False), wanted, 2e-5)

    head = build_layers((wanted.shape[-1],), candidate(name, size).layers, "multiclass", 3)
    exported = assemble(model, head, candidate(name, size), "multiclass")
    exported.model.save(tmp_path / MODEL_FILE)
    answers = exported.model(images, training=False)
    np.testing.assert_array_equal(load_keras_model(tmp_path)(images), answers)
    lite = LiteModel(convert(exported.outputs, name))
    np.testing.assert_allclose(lite.probabilities(images), answers, rtol=0, atol=1e-5)
    assert_close(lite.features(images), wanted.mean(axis=(1, 2)), 2e-5)


@pytest.mark.slow
def test_an_exported_model_is_the_same_in_a_fresh_process(tmp_path: Path) -> None:
    model = build_backbone(backbone("resnet50"), square(32))
    randomise_normalizations(model)
    keras.utils.set_random_seed(7)  # some random logits are too large to tell their probability from 1
    head = build_layers((2048,), candidate("resnet50", 32).layers, "binary", 2)
    logits = head.get_layer("logits")
    logits.set_weights([0.1 * weight for weight in logits.get_weights()])
    exported = assemble(model, head, candidate("resnet50", 32), "binary").model
    exported.save(tmp_path / MODEL_FILE)
    np.save(tmp_path / "images.npy", two_images(32))
    script = f"""
import numpy as np
from pathlib import Path
from transferline.models.exported import load_keras_model
folder = Path({str(tmp_path)!r})
np.save(folder / "output.npy", load_keras_model(folder)(np.load(folder / "images.npy")))
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
    result = np.load(tmp_path / "output.npy")
    assert result.shape == (2, 1) and 0 < result.min() <= result.max() < 1
    np.testing.assert_array_equal(result, exported(two_images(32)))
    by_hand = keras.applications.resnet.preprocess_input(two_images(32).astype(np.float32))
    answers = head(np.mean(model(by_hand, training=False), (1, 2)))
    np.testing.assert_allclose(result, 1 / (1 + np.exp(-np.asarray(answers))), rtol=1e-5)
