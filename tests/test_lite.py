"""The model that a training stage exports for LiteRT, compared with its Keras model."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tests.conftest import ROOT
from tests.tiny_training import HIDDEN, IMAGE, LAYERS, candidate, job, make_data, network
from transferline.errors import TransferlineError
from transferline.models.backbones import build_backbone
from transferline.models.convert import convert
from transferline.models.deeplab import build_decoder, build_encoder
from transferline.models.exported import PARITY, both_columns
from transferline.models.layers import build_layers
from transferline.models.lite import ROWS, LiteModel
from transferline.params import DeepLab, Image, Problem, load_params
from transferline.training import model_folder
from transferline.training.assemble_model import Exported, assemble, assemble_network, assemble_segmentation
from transferline.training.end_to_end_training import train

SEEN = Image.model_validate(IMAGE)
CLASSES = {"binary": 2, "multiclass": 3, "multilabel": 3}


def images(count: int = 5) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 32, 32, 3), np.uint8)


def opened(exported: Exported) -> LiteModel:
    return LiteModel(convert(exported.outputs, "the network"))


def on_a_backbone(head_layers: Any, problem: Problem, reload: Callable[[keras.Model], keras.Model]) -> Exported:
    keras.utils.set_random_seed(3)
    backbone = {"name": "networks.example:tiny_backbone", "weights": "none", "pooling": "avg", "unfreeze": None}
    section = candidate(backbone=backbone, layers=head_layers, fine_tune=None)
    network = build_backbone(section.backbone, section.image)
    head = build_layers((32,), section.layers, problem, CLASSES[problem])
    return assemble(network, reload(head), section, problem)


def from_images(problem: Problem) -> Exported:
    keras.utils.set_random_seed(3)
    listed = network(layers=LAYERS).layers
    return assemble_network(build_layers((32, 32, 3), listed, problem, CLASSES[problem]), SEEN, problem)


def assert_answers_alike(exported: Exported, problem: Problem) -> None:
    """The probabilities are the Keras model's, and follow from the features by the last layer alone."""
    lite = opened(exported)
    said, vectors = lite.probabilities(images()), lite.features(images())
    np.testing.assert_allclose(said, both_columns(exported.model(images(), training=False)), rtol=0, atol=PARITY)
    assert said.shape == (5, CLASSES[problem]) and said.dtype == np.float32
    assert lite.output_shapes == [(None, CLASSES[problem]), (None, vectors.shape[1])]
    assert said.std() > 1e-4 and vectors.std(axis=0).max() > 0
    kernel, bias = (np.asarray(weight) for weight in exported.model.get_layer("layers").get_layer("logits").weights)
    logits = vectors @ kernel + bias
    powers = np.exp(logits)
    of_logits = powers / powers.sum(axis=1, keepdims=True) if problem == "multiclass" else powers / (1 + powers)
    np.testing.assert_allclose(of_logits, said[:, 1:] if problem == "binary" else said, rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("problem", CLASSES)
@pytest.mark.parametrize("head_layers", [(), HIDDEN], ids=["plain", "hidden"])
def test_a_head_on_a_backbone(
    head_layers: Any, problem: Problem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)

    def reload(head: keras.Model) -> keras.Model:
        head.save(tmp_path / "head.keras")
        return keras.saving.load_model(tmp_path / "head.keras", compile=False)

    fresh = on_a_backbone(head_layers, problem, lambda head: head)
    assert_answers_alike(fresh, problem)
    saved = on_a_backbone(head_layers, problem, reload)  # as fine_tune goes on from it
    for one, other in zip(opened(fresh).run([images()]), opened(saved).run([images()]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert opened(fresh).features(images()).shape == (5, 8 if head_layers else 32)


@pytest.mark.parametrize("problem", CLASSES)
def test_a_network_from_scratch(problem: Problem) -> None:
    assert_answers_alike(from_images(problem), problem)


def test_segmentation_has_masks_and_no_features() -> None:
    section = load_params(ROOT / "recipes" / "camvid.yaml").candidates
    template = next(each for each in section.values() if isinstance(each, DeepLab)).model_dump()
    update = {"image": IMAGE, "backbone": {"name": "mobilenet", "alpha": 0.25, "weights": "none"}}
    tiny = DeepLab.model_validate(template | update)
    encoder = build_encoder(tiny)
    exported = assemble_segmentation(encoder, build_decoder(encoder, tiny, 4), tiny, "segmentation")
    lite = opened(exported)
    assert lite.output_shapes == [(None, 32, 32, 4)] and lite.features(images()) is None
    np.testing.assert_allclose(
        lite.probabilities(images()), exported.model(images(), training=False), rtol=0, atol=PARITY
    )


def with_activation(x: Any) -> Any:
    return layers.Activation("linear")(layers.Dense(3)(x))


def on_a_map(x: Any) -> Any:
    return layers.Flatten()(layers.Dense(3)(layers.Reshape((1, 4))(x)))


def nested(x: Any) -> Any:
    return keras.Sequential([layers.Dense(8, "relu"), layers.Dense(3)])(x)


def shared(x: Any) -> Any:
    dense = layers.Dense(3)
    return dense(layers.Dense(4)(dense(x)))


def added(x: Any) -> Any:
    return layers.Dense(3)(x) + layers.Dense(3)(x)


def chained(x: Any) -> Any:
    return layers.Dense(3)(layers.Dense(6, "relu")(x))


@pytest.mark.parametrize(
    ("end", "length"),
    [(with_activation, None), (on_a_map, None), (nested, None), (shared, None), (added, None), (chained, 6)],
)
def test_only_a_dense_layer_that_gives_the_logits_has_features(end: Callable[[Any], Any], length: int | None) -> None:
    keras.utils.set_random_seed(3)
    inputs = keras.Input((32, 32, 3))
    pooled = layers.Dense(4)(layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(inputs)))
    exported = assemble_network(keras.Model(inputs, end(pooled)), SEEN, "multiclass")
    lite = opened(exported)
    np.testing.assert_allclose(
        lite.probabilities(images()), exported.model(images(), training=False), rtol=0, atol=PARITY
    )
    assert lite.output_shapes[1:] == ([] if length is None else [(None, length)])


def test_any_number_of_images_on_several_threads_gives_the_same_bits() -> None:
    lite, many = opened(from_images("multiclass")), images(2 * ROWS + 3)
    whole = lite.run([many])
    calls = [slice(0, 1), slice(3, 3 + ROWS), slice(5, 7 + ROWS), slice(2 * ROWS, None), slice(None)] * 8
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda part: lite.run([many[part]]), calls))
    for part, found in zip(calls, parts, strict=True):
        assert [each.tobytes() for each in found] == [each[part].tobytes() for each in whole]


LACKING = """
import keras


def network(shape, outputs):
    image = keras.Input(shape)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    return keras.Model(image, keras.layers.Dense(outputs)(keras.ops.erfinv(x)))
"""


def test_an_operation_that_litert_lacks_stops_before_the_first_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks" / "mine.py").write_text(LACKING)
    rows: list[Any] = []
    section = network(layers="networks.mine:network")
    with pytest.raises(TransferlineError, match=r"^c train cannot be exported: LiteRT.* has no operation for Erfinv;"):
        train(*make_data(tmp_path / "raw"), section, job(section.train, tmp_path / "model", "train", rows=rows))
    assert not rows and not (tmp_path / "model" / "model.keras").exists()


@pytest.mark.slow
def test_a_file_that_predicts_otherwise_stops_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_other_weights(model: keras.Model, name: str) -> bytes:
        return convert(keras.models.clone_model(model), name)

    monkeypatch.setattr(model_folder, "convert", with_other_weights)
    section = network({"epochs": 1})
    wrong = r"model\.tflite: .* of the exported train model of c differ from .*at most 0\.0001 is allowed"
    with pytest.raises(TransferlineError, match=wrong):
        train(*make_data(tmp_path / "raw"), section, job(section.train, tmp_path / "model", "train"))
