"""DeepLabV3+ with 128 channels in the decoder, where the paper has 256.

Chen and others, Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation, ECCV 2018.
"""

from typing import Any

import keras
from keras import layers

from transferline.errors import TransferlineError
from transferline.models.backbones import build_backbone, image_shape
from transferline.params import Backbone, DeepLab

# The layers of each encoder with low-level features, at a quarter of the image's size, and with high-level features,
# at a sixteenth.
FEATURES = {
    "mobilenet": ("conv_pw_3_bn", "conv_pw_11_bn"),
    "mobilenet_v2": ("block_3_expand_relu", "block_13_expand_relu"),
    "resnet50_v2": ("conv2_block3_preact_relu", "conv4_block6_preact_relu"),
    "efficientnet_lite0": ("block3a_expand_relu", "block6a_expand_relu"),
}
CHANNELS, LOW_CHANNELS = 128, 48
DILATIONS, SIDE_OF_DILATIONS = (6, 12, 18), 33  # for feature maps of 33 × 33; see `dilations`
MOMENTUM = 0.9  # of batch normalisation; below Keras's 0.99, so that few steps are enough for its statistics


def build_encoder(candidate: DeepLab, with_weights: bool = True) -> keras.Model:
    """Builds the model from preprocessed images, (size, size, channels), to low-level and high-level features.

    Raises:
        TransferlineError: see `build_backbone`.
    """
    section = candidate.backbone
    backbone = build_backbone(
        Backbone(name=section.name, alpha=section.alpha, weights=section.weights, pooling="none", unfreeze=None),
        candidate.image,
        with_weights,
    )
    features = [backbone.get_layer(name).output for name in FEATURES[section.name]]
    return keras.Model(backbone.input, features, name=f"{section.name}_encoder")


def build_decoder(encoder: keras.Model, candidate: DeepLab, classes: int) -> keras.Model:
    """Builds the model from the encoder's features to logits for every pixel, (size, size, classes) float32.

    Raises:
        TransferlineError: the image is too small for the encoder.
    """
    low, high = (layers.Input(feature.shape[1:]) for feature in encoder.outputs)
    if 0 in (*low.shape[1:], *high.shape[1:]):
        raise TransferlineError(f"image.size {candidate.image.size} is too small for {candidate.backbone.name}")
    height, width, _ = image_shape(candidate.image)
    x = _resize(_pyramid(high), low.shape[1:3], "pyramid_resize")
    x = layers.Concatenate(name="joined")([x, _conv(low, LOW_CHANNELS, "low")])
    for number in (1, 2):
        x = _separable(x, f"decoder_{number}")
    logits = layers.Conv2D(classes, 1, kernel_initializer="he_normal", name="class_logits")(x)
    return keras.Model([low, high], _resize(logits, (height, width), "logits"), name="decoder")


def _pyramid(x: Any) -> Any:
    """Atrous spatial pyramid pooling: the mean of the whole image, a 1 × 1 and three dilated 3 × 3 convolutions.

    The dilated convolutions read the output of the 1 × 1 convolution instead of the wide feature map.
    """
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="pyramid_mean")(x)
    mean = _resize(_conv(mean, CHANNELS, "pyramid_pool"), x.shape[1:3], "pyramid_pool_resize")
    narrow = _conv(x, CHANNELS, "pyramid_1")
    parts = [_separable(narrow, f"pyramid_{number}", rate) for number, rate in enumerate(dilations(x.shape[1]), 2)]
    return _conv(layers.Concatenate(name="pyramid")([mean, narrow, *parts]), CHANNELS, "pyramid_out")


def dilations(side: int) -> list[int]:
    """Returns the dilations for feature maps of this side.

    They cover the same share of the image as the paper's. A larger dilation would read only padding.
    """
    return [max(1, round(dilation * side / SIDE_OF_DILATIONS)) for dilation in DILATIONS]


def _separable(x: Any, name: str, dilation: int = 1) -> Any:
    """A 3 × 3 convolution of each channel, then a 1 × 1 convolution."""
    depthwise = layers.DepthwiseConv2D(3, padding="same", dilation_rate=dilation, use_bias=False, name=f"{name}_dwconv")
    return _conv(_activated(depthwise(x), f"{name}_dwconv"), CHANNELS, name)


def _conv(x: Any, channels: int, name: str) -> Any:
    convolution = layers.Conv2D(channels, 1, use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv")
    return _activated(convolution(x), name)


def _activated(x: Any, name: str) -> Any:
    return layers.ReLU(name=f"{name}_relu")(layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")(x))


def _resize(x: Any, size: tuple[int, int], name: str) -> Any:
    return layers.Resizing(*size, interpolation="bilinear", name=name)(x)
