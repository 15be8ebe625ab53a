"""The two tables of the pipeline, `manifest.parquet` and `views.parquet`, with their class order.

The column `label` is text for every kind of problem. It is the name of the class; or, if an image can have any number
of labels, their names in class order with "|" between them, and "" for no label.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from transferline.arrays import Array, Float32s
from transferline.atomic_files import completed
from transferline.params import Split

SEPARATOR = "|"


@dataclass(frozen=True)
class ImageTable:
    """Rows about images, and the names of the classes in order.

    Attributes:
        rows: the modules that make the tables describe the columns (`datasets/checks/scan.py`, `datasets/views.py`).
        classes: class names in natural order (2 before 10); class i is the class with index i.
    """

    rows: pd.DataFrame
    classes: tuple[str, ...]

    def of_split(self, split: Split) -> pd.DataFrame:
        """Returns the rows of a split (of the manifest only kept rows) in the order of the table, with a new index."""
        rows = self.rows[self.rows["kept"]] if "kept" in self.rows else self.rows
        return rows[rows["split"] == split].reset_index(drop=True)


def class_positions(labels: pd.Series, classes: Sequence[str]) -> npt.NDArray[np.int32]:
    """Returns the class index of each image, (n, 1) int32, from a column `label` with one class per image.

    Raises:
        KeyError: a label is not in `classes`.
    """
    index = {name: number for number, name in enumerate(classes)}
    return np.array([[index[label]] for label in labels], np.int32).reshape(-1, 1)


def label_matrix(labels: pd.Series, classes: Sequence[str]) -> Float32s:
    """Returns 0 or 1 for each image and class, (n, classes) float32, from a column `label` with any number of names.

    Raises:
        KeyError: a label is not in `classes`.
    """
    index = {name: number for number, name in enumerate(classes)}
    present = np.zeros((len(labels), len(classes)), np.float32)
    for row, label in enumerate(labels):
        present[row, [index[name] for name in split_labels(label)]] = 1
    return present


def natural(text: str) -> tuple[list[str | int], str]:
    """Returns the sort key for natural order, in which 2 comes before 10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", text)], text


def split_labels(label: str) -> list[str]:
    """Returns the names in a multilabel `label`; an empty list for ""."""
    return label.split(SEPARATOR) if label else []


def join_names(names: Iterable[str]) -> str:
    """Joins names in class order; the inverse of `split_labels`."""
    return SEPARATOR.join(sorted(names, key=natural))


def join_labels(present: Array, classes: Sequence[str]) -> pd.Series:
    """Returns the column `label` of a multilabel table from `present`, (n, classes): true or 1 for each label."""
    named = np.array(classes, object)
    return pd.Series([SEPARATOR.join(named[row]) for row in present.astype(bool)], dtype=object)


def write_table(table: ImageTable, path: Path) -> None:
    """Writes `table` as Parquet; equal tables give equal bytes. An interrupted write leaves no file."""
    arrow = pa.Table.from_pandas(table.rows, preserve_index=False).replace_schema_metadata(
        {"classes": json.dumps(table.classes)}
    )
    with completed(path) as partial:
        pq.write_table(arrow, partial)


def read_table(path: Path) -> ImageTable:
    """Reads a table that `write_table` wrote."""
    arrow = pq.read_table(path)
    return ImageTable(arrow.to_pandas(), tuple(json.loads(arrow.schema.metadata[b"classes"])))
