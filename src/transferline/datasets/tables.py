"""The two tables of the line, `manifest.parquet` and `views.parquet`: rows, and with them the class order.

The column `label` holds text for every problem: the name of the class, or, where an image may have any number of
labels, their names in class order with "|" between them, and nothing ("") where it has none.
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
    """Rows about images and the order of the classes, in which class i has the label i.

    Attributes:
        rows: the columns are described where the table is made (`datasets/checks/scan.py`, `datasets/views.py`).
        classes: class names in natural order (2 before 10).
    """

    rows: pd.DataFrame
    classes: tuple[str, ...]

    def of_split(self, split: Split) -> pd.DataFrame:
        """The rows of one split (of the manifest: those kept), in the order of the table, with a fresh index."""
        rows = self.rows[self.rows["kept"]] if "kept" in self.rows else self.rows
        return rows[rows["split"] == split].reset_index(drop=True)


def class_positions(labels: pd.Series, classes: Sequence[str]) -> npt.NDArray[np.int32]:
    """The class of each image, (n, 1), from the column `label` of a table where it names one class.

    Raises:
        KeyError: a label that is none of `classes`.
    """
    index = {name: number for number, name in enumerate(classes)}
    return np.array([[index[label]] for label in labels], np.int32).reshape(-1, 1)


def label_matrix(labels: pd.Series, classes: Sequence[str]) -> Float32s:
    """0 or 1 for each image and class, (n, classes), from the column `label` where it joins any number of names.

    Raises:
        KeyError: a label that is none of `classes`.
    """
    index = {name: number for number, name in enumerate(classes)}
    present = np.zeros((len(labels), len(classes)), np.float32)
    for row, label in enumerate(labels):
        present[row, [index[name] for name in split_labels(label)]] = 1
    return present


def natural(text: str) -> tuple[list[str | int], str]:
    """The sort key of the class order, by which 2 comes before 10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", text)], text


def split_labels(label: str) -> list[str]:
    """The names in a multilabel `label`; an empty list for ""."""
    return label.split(SEPARATOR) if label else []


def join_names(names: Iterable[str]) -> str:
    """The inverse of `split_labels`, in class order."""
    return SEPARATOR.join(sorted(names, key=natural))


def join_labels(present: Array, classes: Sequence[str]) -> pd.Series:
    """The column `label` of a multilabel table from `present` (n, classes), true or 1 where an image has the label."""
    named = np.array(classes, object)
    return pd.Series([SEPARATOR.join(named[row]) for row in present.astype(bool)], dtype=object)


def write_table(table: ImageTable, path: Path) -> None:
    """Writes `table` as Parquet; the same table gives the same bytes. An interrupted write leaves no file behind."""
    arrow = pa.Table.from_pandas(table.rows, preserve_index=False).replace_schema_metadata(
        {"classes": json.dumps(table.classes)}
    )
    with completed(path) as partial:
        pq.write_table(arrow, partial)


def read_table(path: Path) -> ImageTable:
    """Reads a table that `write_table` wrote."""
    arrow = pq.read_table(path)
    return ImageTable(arrow.to_pandas(), tuple(json.loads(arrow.schema.metadata[b"classes"])))
