"""The two tables of the line, `manifest.parquet` and `views.parquet`: rows, and with them the class order."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from transferline.params import Split


@dataclass(frozen=True)
class ImageTable:
    """Rows about images and the order of the classes, in which class i has the label i.

    Attributes:
        rows: the columns are described where the table is made (`data/scan.py`, `data/views.py`).
        classes: class names in natural order (2 before 10).
    """

    rows: pd.DataFrame
    classes: tuple[str, ...]

    def of_split(self, split: Split) -> pd.DataFrame:
        """The rows of one split (of the manifest: those kept), in the order of the table, with a fresh index."""
        rows = self.rows[self.rows["kept"]] if "kept" in self.rows else self.rows
        return rows[rows["split"] == split].reset_index(drop=True)


def write_table(table: ImageTable, path: Path) -> None:
    """Writes `table` as Parquet; the same table gives the same bytes. An interrupted write leaves no file behind."""
    arrow = pa.Table.from_pandas(table.rows, preserve_index=False).replace_schema_metadata(
        {"classes": json.dumps(table.classes)}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    pq.write_table(arrow, partial)
    partial.replace(path)


def read_table(path: Path) -> ImageTable:
    """Reads a table that `write_table` wrote."""
    arrow = pq.read_table(path)
    return ImageTable(arrow.to_pandas(), tuple(json.loads(arrow.schema.metadata[b"classes"])))
