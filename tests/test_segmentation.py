"""Segmentation networks: their parts, their loss and metric, and training on tiny masks."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from tests.tiny_masks import CLASSES, make_pair, make_segmented
from tests.tiny_training import TRAINING
from transferline.datasets.mask_values import VOID
from transferline.datasets.tables import ImageTable
from transferline.datasets.views import draw_views
from transferline.models.candidate_description import describe_candidate, format_description
from transferline.models.deeplab import FEATURES, build_decoder, build_encoder, dilations
from transferline.models.exported import ModelCard, load_keras_model, load_model
from transferline.params import Augment, CrossEntropy, DeepLab, load_params
from transferline.problems.training import training_of
from transferline.training.mask_targets import MaskBatches, MaskedImages, with_dice
from transferline.training.segmentation_training import train_segmentation
from transferline.training.training_job import Job

ROOT = Path(__file__).parents[1]
DIGITS = load_params(ROOT / "recipes" / "digits.yaml")


def deeplab(training: dict[str, Any] | None = None, **changes: Any) -> DeepLab:
    """A small network on EfficientNet-Lite0, whose weights are installed."""
    optimizer = {"name": "adam", "learning_rate": 1e-3}
    settings = {
        "kind": "deeplab_v3_plus",
        "image": {"size": 64, "color": "rgb", "resize": "stretch"},
        "backbone": {"name": "efficientnet_lite0", "weights": "imagenet"},
        "train": {**TRAINING, "views": "flipped", "batch_size": 4, "optimizer": optimizer, **(training or {})},
        **dict.fromkeys(("extract", "layers", "train_head", "fine_tune")),
        **changes,
    }
    return DeepLab.model_validate(settings)


def table_of(layout: dict[str, Any], count: int = 24) -> ImageTable:
    """The views of the pairs of `make_segmented` in the layout image_mask_folders."""
    rows = [
        {"path": f"images/{number:02}.png", "mask": f"masks/{number:02}.png", "mask_values": "[0, 1, 2, 3]",
         "label": "", "sha256": str(number), "kept": True,
         "split": ("train", "train", "validation", "train", "test")[number % 5]}
        for number in range(count)
    ]  # fmt: skip
    augment = Augment.model_validate({**DIGITS.augment.model_dump(), "horizontal_flip": True, "views": 1})
    return draw_views(ImageTable(pd.DataFrame(rows), CLASSES), augment)


def job(section: DeepLab, folder: Path, rows: list[Any] | None = None) -> Job:
    card = ModelCard(candidate="c", phase="train", problem="segmentation", classes=CLASSES, image=section.image)
    return Job(section.train, None, card, 7, folder, ([] if rows is None else rows).append)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ImageTable]:
    raw = tmp_path_factory.mktemp("raw")
    layout = {"kind": "image_mask_folders", "images": "images", "masks": "masks"}
    make_segmented(raw, layout)
    return raw, table_of(layout)


@pytest.mark.slow
@pytest.mark.parametrize("name", FEATURES)
def test_every_encoder_gives_features_of_a_quarter_and_a_sixteenth(name: str) -> None:
    section = deeplab(backbone={"name": name, "weights": "none"})
    encoder = build_encoder(section)
    low, high = (output.shape[1:3] for output in encoder.outputs)
    assert low == (16, 16) and high == (4, 4)
    if name == "mobilenet":
        assert [output._keras_history.operation.name for output in encoder.outputs] == ["conv_pw_3_bn", "conv_pw_11_bn"]


def test_the_decoder_is_that_of_the_paper_with_fewer_channels() -> None:
    section = deeplab(
        backbone={"name": "mobilenet", "weights": "none"}, image={**deeplab().image.model_dump(), "size": 512}
    )
    decoder = build_decoder(build_encoder(section), section, 3)
    convolutions = {layer.name: layer for layer in decoder.layers if isinstance(layer, keras.layers.Conv2D)}
    shapes = {name: (layer.filters, layer.kernel_size[0]) for name, layer in convolutions.items()}
    separable = ("pyramid_2", "pyramid_3", "pyramid_4", "decoder_1", "decoder_2")
    wide = ("pyramid_pool", "pyramid_1", "pyramid_out", *separable)
    assert shapes == {**{f"{name}_conv": (128, 1) for name in wide}, "low_conv": (48, 1), "class_logits": (3, 1)}
    depthwise = {
        layer.name: (layer.kernel_size[0], layer.dilation_rate[0])
        for layer in decoder.layers
        if isinstance(layer, keras.layers.DepthwiseConv2D)
    }
    shapes = dict.fromkeys(separable, (3, 1)) | {"pyramid_2": (3, 6), "pyramid_3": (3, 12), "pyramid_4": (3, 17)}
    assert depthwise == {f"{name}_dwconv": shape for name, shape in shapes.items()}
    assert {type(layer.kernel_initializer).__name__ for layer in convolutions.values()} == {"HeNormal"}
    normalized = [layer for layer in decoder.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(normalized) == len(convolutions) + len(depthwise) - 1 and decoder.output.shape == (None, 512, 512, 3)


def test_dilations_cover_the_same_share_of_the_image_at_each_size() -> None:
    """At a side of 14, as for images of 224 px, a dilation of 18 would read only padding."""
    assert [dilations(side) for side in (33, 14, 2)] == [[6, 12, 18], [3, 5, 8], [1, 1, 1]]


@pytest.mark.slow
def test_describe_counts_what_is_trained() -> None:
    section = deeplab(backbone={"name": "mobilenet_v2", "alpha": 0.35, "weights": "none"})
    found = describe_candidate(section, "segmentation", 4)
    assert found.kind == "deeplab_v3_plus" and found.features == (4, 4, 192)
    frozen = describe_candidate(
        deeplab({"frozen_epochs": 3}, backbone=section.backbone.model_dump()), "segmentation", 4
    )
    assert frozen.train_parameters < found.train_parameters < found.parameters == frozen.parameters
    assert "class_logits" in format_description("mine", found)


def test_void_pixels_change_neither_loss_nor_metric() -> None:
    random = np.random.default_rng(0)
    masks = random.integers(0, 3, (2, 6, 6, 1)).astype(np.uint8)
    logits = random.normal(size=(2, 6, 6, 3)).astype(np.float32)
    masks[:, :3] = VOID
    others = logits.copy()
    others[:, :3] = random.normal(size=(2, 3, 6, 3))
    loss = training_of("segmentation").loss(CrossEntropy(kind="cross_entropy"))
    for function in (loss, with_dice(loss, 0.5)):
        known = [np.asarray(function(masks, values))[:, 3:] for values in (logits, others)]
        np.testing.assert_allclose(known[0], known[1], rtol=1e-5)
    wanted = keras.losses.sparse_categorical_crossentropy(masks[:, 3:, :, 0], logits[:, 3:], from_logits=True)
    np.testing.assert_allclose(np.asarray(loss(masks, logits))[:, 3:], wanted, rtol=1e-5)

    metric, theirs = (
        training_of("segmentation").keras_metric("mean_iou", 3),
        keras.metrics.MeanIoU(3, sparse_y_pred=False),
    )
    for part in (0, 1):
        metric.update_state(masks[part : part + 1], logits[part : part + 1])
        theirs.update_state(masks[part : part + 1, 3:, :, 0], logits[part : part + 1, 3:])
    assert float(metric.result()) == pytest.approx(float(theirs.result()), abs=1e-6)
    metric.reset_state()
    metric.update_state(np.zeros_like(masks), np.zeros_like(logits))
    assert float(metric.result()) == 1


def test_dice_is_nothing_for_a_perfect_answer() -> None:
    masks = np.random.default_rng(0).integers(0, 3, (2, 9, 9, 1)).astype(np.uint8)
    right = np.eye(3, dtype=np.float32)[masks[..., 0]] * 50
    wrong = np.roll(right, 1, axis=-1)
    zero = with_dice(lambda masks, logits: 0.0, 2.0)
    assert float(zero(masks, right)) == pytest.approx(0, abs=1e-4)
    assert float(zero(masks, wrong)) == pytest.approx(2, abs=0.05)


def test_batches_hold_masks_and_weights_with_the_mean_of_one(data: tuple[Path, ImageTable], tmp_path: Path) -> None:
    raw, table = data
    rows = table.of_split("train")
    pixels = MaskedImages(raw, rows, deeplab().image, tmp_path)
    counts = pixels.counts(rows.index.to_numpy())
    assert counts.sum() == counts[[0, 1, 2, 3, VOID]].sum() == rows["path"].nunique() * 64 * 64
    batches = MaskBatches(rows, pixels.read, counts[:4], np.array([1, 2, 2, 2], np.float32), 4, 7)
    images, masks, weights = next(batches.items())
    assert images.shape == (4, 64, 64, 3) and masks.shape == (4, 64, 64, 1) and weights.shape == (4, 64, 64)
    assert weights.mean() == pytest.approx(1) and (weights[masks[..., 0] == VOID] == 0).all()
    ratio = weights[masks[..., 0] == 1].mean() / weights[masks[..., 0] == 0].mean()
    assert ratio == pytest.approx(2) and batches.views_per_epoch == rows["path"].nunique()


@pytest.mark.thorough
def test_a_network_learns_squares_first_with_a_frozen_encoder(data: tuple[Path, ImageTable], tmp_path: Path) -> None:
    training = {"epochs": 14, "frozen_epochs": 2, "batch_size": 2, "class_weights": "balanced", "dice": 0.5}
    backbone = {"name": "mobilenet", "alpha": 0.25, "weights": "none"}
    image = {"size": 32, "color": "rgb", "resize": "stretch"}
    section, rows = deeplab({**training, "early_stopping": None}, backbone=backbone, image=image), []
    summary = train_segmentation(*data, section, job(section, tmp_path, rows))
    assert [row["epoch"] for row in rows] == list(range(1, 15))
    best = max(row["val_mean_iou"] for row in rows)
    assert best > 0.4 and summary.floor["majority_mean_iou"] < 0.25 < 0.5 < summary.floor["majority_pixel_accuracy"]
    history = pd.read_csv(tmp_path / "history.csv")
    assert summary.best_epoch == history["epoch"].iloc[history["val_loss"].argmin()]
    model, lite = load_keras_model(tmp_path), load_model(tmp_path)
    assert model.input_shape == lite.input_shape == (None, 32, 32, 3)
    assert [model.output_shape] == lite.output_shapes == [(None, 32, 32, 4)]
    assert str(model.inputs[0].dtype) == lite.input_type == "uint8"
    with np.load(tmp_path / "parity.npz") as parity:
        assert len(parity["images"]) == 2
        np.testing.assert_allclose(lite.probabilities(parity["images"]), parity["probabilities"], atol=1e-5)
    encoder = next(layer for layer in model.layers if layer.name.endswith("encoder"))
    norm = encoder.get_layer("conv1_bn")
    untouched = build_encoder(section).get_layer("conv1_bn")
    np.testing.assert_array_equal(norm.moving_mean, untouched.moving_mean)
    # where the second part made it worse, the weights of the first are kept, in which the encoder is as it was
    assert np.array_equal(norm.gamma, untouched.gamma) == (summary.best_epoch <= 2)
    assert json.loads((tmp_path / "summary.json").read_text())["trainable"] > 300_000


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"image": {"size": 64, "color": "rgb", "resize": "crop"}}, "image.resize is crop"),
        ({"backbone": {"name": "vgg16", "weights": "none"}}, "mobilenet"),
        ({"backbone": {"name": "resnet50_v2", "alpha": 0.5, "weights": "none"}}, "alpha is only for"),
        ({"training": {"epochs": 2, "frozen_epochs": 3}}, "frozen_epochs is 3; it must be at most epochs, 2"),
        ({"training": {"frozen_epochs": 1, "schedule": {"kind": "cosine", "warmup_epochs": 1}}}, "below 1"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        deeplab(**changes)


def test_pairs_are_what_the_tests_need() -> None:
    _, mask = make_pair(0)
    assert len(np.unique(mask)) == 4 and (mask == 255).mean() > 0.05
