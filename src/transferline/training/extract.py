"""Fills the bank: the frozen part of the backbone runs once over every view."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transferline.data.images import read_batch
from transferline.data.tables import ImageTable, write_table
from transferline.data.transform import apply_views
from transferline.errors import TransferlineError
from transferline.models.backbones import build_backbone, preprocessing
from transferline.models.cut import cut
from transferline.models.fold import fold_batch_normalization
from transferline.models.layers import build_layers, pool
from transferline.models.networks import file_sha256, is_own
from transferline.params import Pretrained, Problem
from transferline.progress import progress, say
from transferline.training.bank import INDEX_FILE, ROWS_FILE, SAMPLES_FILE, VIEWS_PER_SHARD, shard_file
from transferline.training.views import KINDS, sample_paths

BATCH = 32

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class FrozenPart:
    """The frozen layers as two compiled steps, batch normalisation folded.

    Attributes:
        to_boundary: (n, size, size, channels) float32 in 0…255 → list of boundary tensors.
        to_features: list of boundary tensors → features (n, …) float32, pooled or a feature map.
        features: shape of the features without the batch axis.
        boundary: shapes of the boundary's tensors without the batch axis.
    """

    to_boundary: Callable[..., Any]
    to_features: Callable[..., Any]
    features: tuple[int, ...]
    boundary: tuple[tuple[int, ...], ...]


def frozen_part(candidate: Pretrained) -> FrozenPart:
    """Builds the backbone with its weights, cuts it at the freeze boundary and folds both sides."""
    import keras
    import tensorflow as tf

    backbone = build_backbone(candidate.backbone, candidate.image)
    parts = cut(backbone, candidate.backbone.unfreeze)
    image = keras.Input(backbone.input_shape[1:], name="image")
    frozen = fold_batch_normalization(parts.frozen)
    top = fold_batch_normalization(parts.top) if parts.trainable else parts.top
    prepare = keras.Model(image, preprocessing(candidate.backbone.name)(image))
    pooled = pool(top.output, candidate.backbone.pooling)
    to_features = keras.Model(top.inputs, pooled)

    @tf.function(reduce_retracing=True)
    def run_frozen(images: Any) -> Any:
        return tf.nest.flatten(frozen(prepare(images), training=False))

    @tf.function(reduce_retracing=True)
    def run_top(tensors: Any) -> Any:
        return to_features(tensors, training=False)

    return FrozenPart(run_frozen, run_top, tuple(pooled.shape[1:]), tuple(tuple(t.shape[1:]) for t in top.inputs))


def bank_rows(views: ImageTable, candidate: Pretrained) -> ImageTable:
    """The views of train and validation that feed a stage, marked with which."""
    rows = views.rows[views.rows["split"] != "test"]
    in_head = rows["kind"].isin(KINDS[candidate.extract.head_views])
    in_fine_tune = rows["kind"].isin(KINDS[candidate.extract.fine_tune_views]) & (candidate.fine_tune is not None)
    rows = rows.assign(in_head=in_head, in_fine_tune=in_fine_tune)
    return ImageTable(rows[in_head | in_fine_tune].reset_index(drop=True), views.classes)


def fingerprint(table: ImageTable, candidate: Pretrained) -> str:
    """What the values of a bank follow from; shards of another fingerprint are not used again."""
    settings = [candidate.image, candidate.backbone, candidate.extract]
    digest = hashlib.sha256(repr(settings).encode())
    if is_own(candidate.backbone.name):
        digest.update(file_sha256(candidate.backbone.name).encode())
    digest.update(pd.util.hash_pandas_object(table.rows).to_numpy().tobytes())
    return digest.hexdigest()


def extract(raw: Path, views: ImageTable, candidate: Pretrained, problem: Problem, folder: Path) -> None:
    """Writes the bank of a candidate; what an interrupted call left whole is kept.

    Raises:
        TransferlineError: the candidate's layers do not fit on the features, the disk is full, or values do not fit
            into the bank's dtype.
    """
    part = frozen_part(candidate)
    build_layers(part.features, candidate.layers, problem, len(views.classes))  # fails now rather than after an hour
    table = bank_rows(views, candidate)
    key = fingerprint(table, candidate)
    _keep_only(folder, key)
    starts = range(0, len(table.rows), VIEWS_PER_SHARD)
    todo = [shard for shard in range(len(starts)) if not shard_file(folder, "features", shard).exists()]
    if len(todo) < len(starts):
        say(f"extract: {len(starts) - len(todo)} of {len(starts)} shards are there already")
    try:
        for shard in progress(todo, len(todo), "extract: shards"):
            rows = table.rows.iloc[starts[shard] : starts[shard] + VIEWS_PER_SHARD]
            _write_shard(folder, shard, _run(part, raw, rows, candidate))
        np.save(folder / SAMPLES_FILE, read_batch(raw, sample_paths(table), candidate.image))
        write_table(table, folder / ROWS_FILE)
    except OSError as error:
        raise TransferlineError(
            f"the bank could not be written to {folder}: {error}. Whole shards are kept: make room (about "
            f"{_bytes(part, table, candidate) / 1e9:.2f} GB in all) and run it again"
        ) from error
    index = {"fingerprint": key, "features": part.features, "boundary": part.boundary if candidate.fine_tune else []}
    (folder / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    say(f"extract: {len(table.rows)} views, {sum(f.stat().st_size for f in folder.iterdir()) / 1e6:.1f} MB in {folder}")


def _keep_only(folder: Path, key: str) -> None:
    """Empties the folder unless it belongs to the same fingerprint, and marks it as incomplete."""
    index = folder / INDEX_FILE
    if index.exists() and json.loads(index.read_text(encoding="utf-8"))["fingerprint"] != key:
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    index.write_text(json.dumps({"fingerprint": key}), encoding="utf-8")


def _run(part: FrozenPart, raw: Path, rows: pd.DataFrame, candidate: Pretrained) -> dict[str, Array]:
    """The arrays of one shard: each image is read once, for all its views."""
    paths, image_of_row = np.unique(rows["path"].to_numpy(str), return_inverse=True)
    images = read_batch(raw, list(paths), candidate.image)
    features, boundary = [], []
    for start in range(0, len(rows), BATCH):
        batch = rows.iloc[start : start + BATCH]
        tensors = part.to_boundary(apply_views(images[image_of_row[start : start + BATCH]], batch))
        in_head, in_fine_tune = batch["in_head"].to_numpy(), batch["in_fine_tune"].to_numpy()
        if in_head.any():
            features.append(part.to_features([tensor[in_head] for tensor in tensors]).numpy())
        boundary.append([tensor.numpy()[in_fine_tune] for tensor in tensors])
    dtype = candidate.extract.dtype
    arrays = {"features": _to(dtype, np.concatenate(features or [np.empty((0, *part.features))]))}
    if candidate.fine_tune is not None:
        for k, values in enumerate(zip(*boundary, strict=True)):
            arrays[f"boundary-{k}"] = _to(dtype, np.concatenate(values))
    return arrays


def _to(dtype: str, values: Array) -> Array:
    if dtype == "float16" and np.abs(values).max(initial=0) > np.finfo(np.float16).max:
        raise TransferlineError(
            f"the frozen layers give values up to {np.abs(values).max():.3g}, float16 ends at 65504: set the "
            "candidate's extract.dtype to float32"
        )
    return values.astype(dtype)


def _write_shard(folder: Path, shard: int, arrays: dict[str, Array]) -> None:
    """Writes the arrays of a shard; `features` comes last, so that its presence means that the shard is whole."""
    for kind in sorted(arrays):
        target = shard_file(folder, kind, shard)
        partial = target.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                np.save(file, arrays[kind])
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def _bytes(part: FrozenPart, table: ImageTable, candidate: Pretrained) -> int:
    per_fine_tune = sum(int(np.prod(shape)) for shape in part.boundary)
    per_head = int(np.prod(part.features))
    values = table.rows["in_head"].sum() * per_head + table.rows["in_fine_tune"].sum() * per_fine_tune
    return int(values) * np.dtype(candidate.extract.dtype).itemsize
