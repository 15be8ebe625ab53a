"""The frozen part of a candidate's backbone, and what it says of views: of a shard of the bank, or of a batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from transferline.arrays import Array
from transferline.datasets.images import read_batches
from transferline.datasets.transforms import apply_views
from transferline.errors import TransferlineError
from transferline.models.backbone_cut import Cut, cut
from transferline.models.backbones import build_backbone, image_shape, preprocessing
from transferline.models.layers import pool
from transferline.params import Image, Pretrained
from transferline.training.compiled_inference import Compiled, compile_for_inference
from transferline.training.folded_normalization import fold_batch_normalization

BATCH = 32


@dataclass(frozen=True)
class FrozenPart:
    """The frozen layers of a backbone as two steps, batch normalisation folded, each compiled when it is first taken.

    Attributes:
        parts: the backbone's.
        candidate: the one that it is of.
        features: shape of the features without the batch axis.
        boundary: shapes of the boundary's tensors without the batch axis.
    """

    parts: Cut
    candidate: Pretrained
    features: tuple[int, ...]
    boundary: tuple[tuple[int, ...], ...]

    @cached_property
    def to_boundary(self) -> Compiled:
        """[(n, size, size, channels) float32 in 0…255] → boundary tensors, float32."""
        frozen = fold_batch_normalization(self.parts.frozen)
        image = keras.Input(frozen.input_shape[1:], name="image")
        return compile_for_inference(keras.Model(image, frozen(preprocessing(self.candidate.backbone.name)(image))))

    @cached_property
    def to_features(self) -> Compiled:
        """Boundary tensors → [features (n, …) float32, pooled or a feature map]."""
        top = fold_batch_normalization(self.parts.top) if self.parts.trainable else self.parts.top
        return compile_for_inference(keras.Model(top.inputs, pool(top.output, self.candidate.backbone.pooling)))


def frozen_part(candidate: Pretrained) -> FrozenPart:
    """Builds the backbone with its weights and cuts it at the freeze boundary."""
    parts = cut(build_backbone(candidate.backbone, candidate.image), candidate.backbone.unfreeze)
    features = pool(parts.top.output, candidate.backbone.pooling)
    boundary = tuple(tuple(tensor.shape[1:]) for tensor in parts.top.inputs)
    return FrozenPart(parts, candidate, tuple(features.shape[1:]), boundary)


def frozen_arrays(part: FrozenPart, raw: Path, rows: pd.DataFrame, candidate: Pretrained) -> dict[str, Array]:
    """What the frozen layers say of views, in the dtype of `candidate.extract`.

    Memory holds some batches of images and the result.

    Args:
        part: the candidate's.
        raw: the folder of the images.
        rows: views of `bank_rows`, those of an image side by side.
        candidate: the candidate.

    Returns:
        `features` of the rows that are `in_head`, `boundary-<k>` of those that are `in_fine_tune`.

    Raises:
        TransferlineError: an image cannot be read, or values do not fit into the dtype.
    """
    dtype = candidate.extract.dtype
    found = {"features": [np.empty((0, *part.features), dtype)]}
    found |= {f"boundary-{k}": [np.empty((0, *shape), dtype)] for k, shape in enumerate(part.boundary)}
    for batch, images in _with_images(raw, rows, candidate.image):
        tensors = part.to_boundary([apply_views(images, batch)])
        in_head, in_fine_tune = batch["in_head"].to_numpy(), batch["in_fine_tune"].to_numpy()
        if in_head.any():
            (features,) = part.to_features([tensor[in_head] for tensor in tensors])
            found["features"].append(_to(dtype, features))
        if in_fine_tune.any():
            for k, tensor in enumerate(tensors):
                found[f"boundary-{k}"].append(_to(dtype, tensor[in_fine_tune]))
    return {kind: np.concatenate(parts) for kind, parts in found.items()}


def _with_images(raw: Path, rows: pd.DataFrame, image: Image) -> Iterator[tuple[pd.DataFrame, Array]]:
    """Batches of views, each with the images that they are of; an image is read once for all its views."""
    image_of_row, paths = pd.factorize(rows["path"])
    chunks = read_batches(raw, list(paths), image, BATCH)
    held, first = np.empty((0, *image_shape(image)), np.uint8), 0
    for start in range(0, len(rows), BATCH):
        wanted = image_of_row[start : start + BATCH]
        held, first = held[wanted[0] - first :], wanted[0]
        while first + len(held) <= wanted[-1]:
            held = np.concatenate([held, next(chunks)])
        yield rows.iloc[start : start + BATCH], held[wanted - first]


def _to(dtype: str, values: Array) -> Array:
    if dtype == "float16" and np.abs(values).max(initial=0) > np.finfo(np.float16).max:
        raise TransferlineError(
            f"the frozen layers give values up to {np.abs(values).max():.3g}, float16 ends at 65504: set the "
            "candidate's extract.dtype to float32"
        )
    return values.astype(dtype)
