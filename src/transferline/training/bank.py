"""The bank: what the frozen layers say of every view, on disk, in shards that are memory-mapped.

A folder with `index.json`, `rows.parquet` (the views, in order), `samples.npy` (a few validation images) and for
shard i `features-<i>.npy` (features, for `train_head`) and `boundary-<k>-<i>.npy` (the k-th tensor of the freeze
boundary, for `fine_tune`).
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transferline.data.tables import ImageTable, read_table
from transferline.params import Split

INDEX_FILE = "index.json"
ROWS_FILE = "rows.parquet"
SAMPLES_FILE = "samples.npy"
VIEWS_PER_SHARD = 512


def shard_file(bank: Path, kind: str, shard: int) -> Path:
    """The file of one array of one shard; `kind` is `features` or `boundary-<k>`."""
    return bank / f"{kind}-{shard:05d}.npy"


@dataclass(frozen=True)
class Bank:
    """A whole bank.

    Attributes:
        folder: where it lies.
        table: a row per view: those of `views.parquet` plus `in_head` and `in_fine_tune` (bool: the row feeds that
            stage, and its values are in the shards of that kind).
        features: shape of the features without the batch axis: pooled, or a feature map.
        boundary: shapes of the boundary's tensors without the batch axis; empty without fine-tuning.
    """

    folder: Path
    table: ImageTable
    features: tuple[int, ...]
    boundary: tuple[tuple[int, ...], ...]

    def rows(self, purpose: str, split: Split) -> pd.DataFrame:
        """The rows of a split that feed `purpose` (head or fine_tune); the index says where their values stand."""
        rows = self.table.rows[self.table.rows[f"in_{purpose}"]].reset_index(drop=True)
        return rows[rows["split"] == split]

    def samples(self) -> npt.NDArray[np.uint8]:
        """Some validation images as a model takes them: (n, size, size, channels) uint8."""
        samples: npt.NDArray[np.uint8] = np.load(self.folder / SAMPLES_FILE)
        return samples

    @cached_property
    def _arrays(self) -> dict[str, list[npt.NDArray[Any]]]:
        kinds = ["features", *(f"boundary-{k}" for k in range(len(self.boundary)))]
        shards = range(-(-len(self.table.rows) // VIEWS_PER_SHARD))
        return {k: [np.load(shard_file(self.folder, k, shard), mmap_mode="r") for shard in shards] for k in kinds}

    def gather(self, kind: str, positions: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        """The values at `positions` (the index of `rows`), read from the disk.

        Args:
            kind: `features` or `boundary-<k>`.
            positions: (n,) integers.

        Returns:
            (n, …) float32.
        """
        arrays = self._arrays[kind]
        starts = np.cumsum([0, *(len(array) for array in arrays)])
        shards = np.searchsorted(starts, positions, side="right") - 1
        values = np.empty((len(positions), *arrays[0].shape[1:]), np.float32)
        for place, (shard, position) in enumerate(zip(shards, positions, strict=True)):
            values[place] = arrays[shard][position - starts[shard]]
        return values

    def gather_boundary(self, positions: npt.NDArray[np.intp]) -> Any:
        """The boundary at `positions`: what `gather` gives of its tensor, or a tuple of that where it has several."""
        tensors = tuple(self.gather(f"boundary-{k}", positions) for k in range(len(self.boundary)))
        return tensors if len(tensors) > 1 else tensors[0]


def read_bank(folder: Path) -> Bank:
    """Opens a bank that `extract` wrote; its values stay on the disk."""
    index = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
    boundary = tuple(tuple(shape) for shape in index["boundary"])
    return Bank(folder, read_table(folder / ROWS_FILE), tuple(index["features"]), boundary)
