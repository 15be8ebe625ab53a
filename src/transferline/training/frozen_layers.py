"""The frozen layers of a candidate's backbone, built by Keras and compiled for inference."""

from typing import NamedTuple

import keras

from transferline.models.backbone_cut import check_boundaries, cut
from transferline.models.backbones import build_backbone, preprocessing
from transferline.models.layers import pool
from transferline.params import Pretrained
from transferline.training.compiled_inference import Compiled, compile_for_inference
from transferline.training.folded_normalization import fold_batch_normalization


class FrozenLayers(NamedTuple):
    """Two steps, with batch normalisation folded.

    Attributes:
        to_boundary: from images (n, size, size, channels) float32 in 0…255 to the boundary's tensors.
        to_features: from the boundary's tensors to the features, pooled or a feature map.
        contents: of the `.tflite` files of both steps; None where TensorFlow runs one of them.
        features: shape of the features without the batch axis.
        boundary: shapes of the boundary's tensors without the batch axis.
    """

    to_boundary: Compiled
    to_features: Compiled
    contents: tuple[bytes, bytes] | None
    features: tuple[int, ...]
    boundary: tuple[tuple[int, ...], ...]


def compile_frozen_layers(candidate: Pretrained) -> FrozenLayers:
    """Builds the backbone with its weights, cuts it at the freeze boundary and compiles both parts for inference.

    Raises:
        TransferlineError: see `build_backbone` and, for all boundaries of fine-tuning, `check_boundaries`.
    """
    backbone = candidate.backbone
    model = build_backbone(backbone, candidate.image)
    check_boundaries(model, backbone.boundaries)  # now, and not after train_head
    parts = cut(model, backbone.bank_boundary)
    frozen = fold_batch_normalization(parts.frozen)
    image = keras.Input(frozen.input_shape[1:], name="image")
    whole = keras.Model(image, frozen(preprocessing(backbone.name)(image)))
    top = fold_batch_normalization(parts.top) if parts.trainable else parts.top
    pooled = keras.Model(top.inputs, pool(top.output, backbone.pooling))
    (to_boundary, first), (to_features, second) = compile_for_inference(whole), compile_for_inference(pooled)
    boundary = tuple(tuple(tensor.shape[1:]) for tensor in pooled.inputs)
    contents = (first, second) if first and second else None
    return FrozenLayers(to_boundary, to_features, contents, tuple(pooled.output.shape[1:]), boundary)
