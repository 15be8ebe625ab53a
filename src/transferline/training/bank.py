"""The bank stores the outputs of the frozen layers for every view on disk, in shards.

It is a folder with these files. Outputs that do not fit on the disk are computed again when they are needed.
    index.json              shapes, dtype, and which kinds of outputs are stored
    rows.parquet            the views, in order
    samples.npy             a few validation images
    features-<i>.npy        shard i of the features, for `train_head`
    boundary-<k>-<i>.npy    shard i of the k-th tensor of the freeze boundary, for `fine_tune`
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Array, Float32s, Pixels, Positions
from transferline.datasets.rows_on_disk import read_rows
from transferline.datasets.tables import ImageTable, read_table
from transferline.params import Split

INDEX_FILE = "index.json"
ROWS_FILE = "rows.parquet"
SAMPLES_FILE = "samples.npy"
VIEWS_PER_SHARD = 512
TOLERANCE = 0.02  # of the largest value, against the layers: float16 and folded batch normalisation round differently


def shard_file(bank: Path, kind: str, shard: int) -> Path:
    """Returns the file of one array of one shard; `kind` is `features` or `boundary-<k>`."""
    return bank / f"{kind}-{shard:05d}.npy"


@dataclass(frozen=True)
class Bank:
    """A whole bank.

    Attributes:
        folder: of the bank.
        table: a row per view, with the columns of `views.parquet` and three flags. `in_head` and `in_fine_tune` mean
            that the stage uses the row, and that the shards of its kind hold the row's values. `in_images` means that
            `fine_tune` draws the view from the image, where it trains more layers than the bank's boundary allows.
        features: shape of the features without the batch axis: pooled, or a feature map.
        boundary: shapes of the boundary's tensors without the batch axis; empty without fine-tuning.
        dtype: of the values.
        stored: the kinds (`features`, `boundary-<k>`) that are on the disk.
        computed: computes the arrays of the other kinds from a purpose and its rows; see `streamed_bank`.
    """

    folder: Path
    table: ImageTable
    features: tuple[int, ...]
    boundary: tuple[tuple[int, ...], ...]
    dtype: str
    stored: tuple[str, ...]
    computed: Callable[[str, pd.DataFrame], dict[str, Array]] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all values are on the disk."""
        return len(self.stored) == 1 + len(self.boundary)

    def rows(self, purpose: str, split: Split | None = None) -> pd.DataFrame:
        """Returns the rows of a split, or of both, that `purpose` (head, fine_tune or images) uses.

        Their index, 0, 1, … over both splits, holds the positions of their values, see `gather`.
        """
        rows = self.table.rows[self.table.rows[f"in_{purpose}"]].reset_index(drop=True)
        return rows if split is None else rows[rows["split"] == split]

    def samples(self) -> Pixels:
        """Returns some validation images in the form that a model takes: (n, size, size, channels) uint8."""
        samples: Pixels = np.load(self.folder / SAMPLES_FILE)
        return samples

    @cached_property
    def _fed(self) -> dict[str, pd.DataFrame]:
        rows = self.table.rows
        return {purpose: rows[rows[f"in_{purpose}"]] for purpose in ("head", "fine_tune")}

    def gather(self, kind: str, positions: Positions) -> Float32s:
        """Returns the values at `positions` (the index of `rows`), read from the disk or computed.

        Args:
            kind: `features` or `boundary-<k>`.
            positions: (n,) integers.

        Returns:
            (n, …) float32.
        """
        return self._gather("head" if kind == "features" else "fine_tune", (kind,), positions)[0]

    def gather_boundary(self, positions: Positions) -> Any:
        """Returns the boundary's tensor at `positions`, as `gather` does; a tuple where it has several tensors."""
        tensors = self._gather("fine_tune", tuple(f"boundary-{k}" for k in range(len(self.boundary))), positions)
        return tuple(tensors) if len(tensors) > 1 else tensors[0]

    def _gather(self, purpose: str, kinds: tuple[str, ...], positions: Positions) -> list[Float32s]:
        if set(kinds) <= set(self.stored):
            return [self._read(purpose, kind, positions).astype(np.float32) for kind in kinds]
        assert self.computed is not None, "open a bank that is not stored by `streamed_bank.open_bank`"
        order = np.argsort(positions, kind="stable")  # the views of an image are neighbours
        arrays = self.computed(purpose, self._fed[purpose].iloc[positions[order]])
        place = np.argsort(order)
        return [arrays[kind][place].astype(np.float32) for kind in kinds]

    def _read(self, purpose: str, kind: str, positions: Positions) -> Array:
        """Reads rows of shards. Files are not mapped: pages that were read would count as memory of the process."""
        shape = self.features if kind == "features" else self.boundary[int(kind.removeprefix("boundary-"))]
        values = np.empty((len(positions), *shape), self.dtype)
        starts = self._starts[purpose]
        shards = np.searchsorted(starts, positions, side="right") - 1
        for shard in np.unique(shards):
            here = np.flatnonzero(shards == shard)
            read_rows(shard_file(self.folder, kind, shard), positions[here] - starts[shard + 1], values, here)
        return values

    @cached_property
    def _starts(self) -> dict[str, Positions]:
        """For each purpose, the position of the first row of each shard, and after the last one the number of rows."""
        found = {}
        for purpose in ("head", "fine_tune"):
            before = np.concatenate([[0], np.cumsum(self.table.rows[f"in_{purpose}"].to_numpy(int))])
            edges = np.append(np.arange(0, len(before) - 1, VIEWS_PER_SHARD), len(before) - 1)
            found[purpose] = before[edges]
        return found


def read_bank(folder: Path) -> Bank:
    """Opens a bank that `extract` wrote; its values stay on the disk."""
    index = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
    boundary = tuple(tuple(shape) for shape in index["boundary"])
    return Bank(
        folder,
        read_table(folder / ROWS_FILE),
        tuple(index["features"]),
        boundary,
        index["dtype"],
        tuple(index["stored"]),
    )
