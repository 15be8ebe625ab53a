"""The frozen part of a candidate's backbone, and its values for the views of a shard or of a batch.

It needs TensorFlow only on a GPU, or if this machine has not converted these frozen layers before.
"""

import json
from collections.abc import Iterator
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from transferline.arrays import Array
from transferline.code_versions import code_of
from transferline.datasets.images import read_batch, read_batches
from transferline.datasets.transforms import apply_views
from transferline.errors import TransferlineError
from transferline.models.converted import Files, Key, read_converted, write_converted
from transferline.models.lite import LiteGraph
from transferline.own_code import is_own
from transferline.params import Image, Pretrained
from transferline.quiet import quiet_imports

if TYPE_CHECKING:
    from transferline.training.compiled_inference import Compiled

BATCH = 32
STEPS = ("boundary.tflite", "features.tflite")
SHAPES_FILE = "shapes.json"


@dataclass(frozen=True)
class FrozenPart:
    """The frozen layers of a backbone as two steps, with batch normalisation folded.

    Attributes:
        to_boundary: [(n, size, size, channels) float32 in 0…255] → boundary tensors, float32.
        to_features: boundary tensors → [features (n, …) float32, pooled or a feature map].
        features: shape of the features without the batch axis.
        boundary: shapes of the boundary's tensors without the batch axis.
        is_new: whether Keras has built it in this call. Else it comes from a cache, and Keras is not imported.
    """

    to_boundary: "Compiled"
    to_features: "Compiled"
    features: tuple[int, ...]
    boundary: tuple[tuple[int, ...], ...]
    is_new: bool


def frozen_part(candidate: Pretrained) -> FrozenPart:
    """Returns the frozen part of a candidate from the user's cache folder, or builds it and stores it there.

    A file of weights is identified by its sha256 in the params: if the cache has the result, the file is not read. A
    backbone of the user's own is always built, because it can read files and packages that nothing identifies.

    Raises:
        TransferlineError: see `compile_frozen_layers`.
    """
    key = None if is_own(candidate.backbone.name) else _key(candidate)
    # on a GPU TensorFlow runs the frozen part; without the driver there is no GPU
    kept = read_converted(key) if key and find_library("cuda") is None else None
    return _build(candidate, key) if kept is None else _of_files(kept)


def _key(candidate: Pretrained) -> Key:
    """Returns everything that determines the frozen part."""
    backbone = candidate.backbone.model_dump(mode="json")
    if isinstance(backbone["weights"], dict):
        del backbone["weights"]["path"]  # the sha256 identifies its content
    image = {"size": candidate.image.size, "color": candidate.image.color}
    code = code_of("transferline.training.frozen_layers")
    return {"what": "frozen part", "backbone": backbone, "image": image, "code": code}


def _of_files(files: Files) -> FrozenPart:
    to_boundary, to_features = (LiteGraph(files[name]).run for name in STEPS)
    shapes = json.loads(files[SHAPES_FILE])
    boundary = tuple(tuple(shape) for shape in shapes["boundary"])
    return FrozenPart(to_boundary, to_features, tuple(shapes["features"]), boundary, is_new=False)


def _build(candidate: Pretrained, key: Key | None) -> FrozenPart:
    with quiet_imports():
        from transferline.training.frozen_layers import compile_frozen_layers

    layers = compile_frozen_layers(candidate)
    if layers.contents and key:
        shapes = json.dumps({"features": layers.features, "boundary": layers.boundary}).encode()
        write_converted(key, dict(zip(STEPS, layers.contents, strict=True)) | {SHAPES_FILE: shapes})
    return FrozenPart(layers.to_boundary, layers.to_features, layers.features, layers.boundary, is_new=True)


def frozen_arrays(part: FrozenPart, raw: Path, rows: pd.DataFrame, candidate: Pretrained) -> dict[str, Array]:
    """Computes the outputs of the frozen layers for views, in the dtype of `candidate.extract`.

    Some batches of images and the result are in memory.

    Args:
        part: the frozen part of the candidate.
        raw: the folder of the images.
        rows: views from `bank_rows`; views of the same image are neighbours.
        candidate: the candidate.

    Returns:
        `features` for the rows with `in_head`, `boundary-<k>` for those with `in_fine_tune`.

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
    """Yields batches of views, each with an image for every view; an image is read once for all its views."""
    image_of_row, paths = pd.factorize(rows["path"])
    chunks = read_batches(raw, list(paths), image, BATCH)
    held, first = read_batch(raw, [], image), 0
    for start in range(0, len(rows), BATCH):
        wanted = image_of_row[start : start + BATCH]
        held, first = held[wanted[0] - first :], wanted[0]
        while first + len(held) <= wanted[-1]:
            held = np.concatenate([held, next(chunks)])
        yield rows.iloc[start : start + BATCH], held[wanted - first]


def _to(dtype: str, values: Array) -> Array:
    if dtype == "float16" and np.abs(values).max(initial=0) > np.finfo(np.float16).max:
        raise TransferlineError(
            f"the frozen layers output values up to {np.abs(values).max():.3g}, but float16 allows at most 65504; set "
            "the candidate's extract.dtype to float32"
        )
    return values.astype(dtype)
