"""The table of the stage `insight`: what a candidate's model predicts for every kept image, and measurements of it.

It is a folder with two files.
    images.parquet    a row for each image, with the columns of `InsightTable.rows`, `probabilities` and `features`
    insight.json      candidate, phase, problem, classes and sha256 of the model, the numbers of images, and
                      `not_applicable`: for each question without an answer the reason
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from transferline.arrays import Array
from transferline.atomic_files import write_json
from transferline.models.exported import ModelCard, Phase
from transferline.params import Problem

IMAGES_FILE = "images.parquet"
INDEX_FILE = "insight.json"
VECTORS = ("probabilities", "features")
DESCRIBED = ("candidate", "phase", "problem", "classes", "tflite_sha256")
LARGEST_FLOAT16 = 65504


@dataclass(frozen=True)
class InsightTable:
    """Predictions and features of one model for all kept images of a dataset.

    Attributes:
        rows: a row for each image, in the order of the manifest: `path`, `sha256`, `split`, `label`, `group`, `width`
            and `height` (of the upright image, in pixels), `brightness` and `contrast` (mean and standard deviation of
            the luminance, 0 to 255), `sharpness` (see `sharpness`).
        candidate, phase, problem, classes: of the model.
        probabilities: (n, classes) float32; None for a model that predicts masks.
        features: (n, length) float16, or float32 if values are too large for float16: the vectors before the last
            layer; None if the model does not output them.
        tflite_sha256: of the model's file `model.tflite`.
    """

    rows: pd.DataFrame
    candidate: str
    phase: Phase
    problem: Problem
    classes: tuple[str, ...]
    probabilities: Array | None
    features: Array | None
    tflite_sha256: str = ""


def insight_table(
    rows: pd.DataFrame, card: ModelCard, probabilities: Array | None, features: Array | None, tflite_sha256: str = ""
) -> InsightTable:
    """Returns the table of the model with this card. The other arguments are those of `InsightTable`."""
    of_card = (card.candidate, card.phase, card.problem, card.classes)
    return InsightTable(rows, *of_card, probabilities, features, tflite_sha256)


def write_insight_table(table: InsightTable, not_applicable: Mapping[str, str], folder: Path) -> None:
    """Writes the two files into an existing folder."""
    columns = {name: table.rows[name] for name in table.rows}
    columns |= {name: _lists(values) for name in VECTORS if (values := getattr(table, name)) is not None}
    pq.write_table(pa.table(columns), folder / IMAGES_FILE)
    described = {name: getattr(table, name) for name in DESCRIBED}
    write_json(
        folder / INDEX_FILE, described | {"images": images_by_split(table.rows), "not_applicable": not_applicable}
    )


def images_by_split(rows: pd.DataFrame) -> dict[str, int]:
    """Returns the number of rows of each split."""
    return {str(split): int(count) for split, count in rows["split"].value_counts(sort=False).items()}


def read_insight_table(folder: Path) -> InsightTable:
    """Reads a table that the stage `insight` wrote.

    Args:
        folder: `insight/<candidate>`.
    """
    arrow = pq.read_table(folder / IMAGES_FILE)
    index = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
    present = [name for name in VECTORS if name in arrow.column_names]
    vectors = {name: _array(arrow[name]) for name in present}
    return InsightTable(
        arrow.drop_columns(present).to_pandas(),
        index["candidate"],
        index["phase"],
        index["problem"],
        tuple(index["classes"]),
        vectors.get("probabilities"),
        vectors.get("features"),
        index["tflite_sha256"],
    )


def described_model(folder: Path) -> str:
    """Returns the sha256 of the `model.tflite` that a folder with a table describes; empty if there is no table."""
    file = folder / INDEX_FILE
    return str(json.loads(file.read_text(encoding="utf-8"))["tflite_sha256"]) if file.exists() else ""


def as_stored(features: Array) -> Array:
    """Returns features in float16, or in float32 if a value is too large for float16."""
    fits = np.abs(features).max(initial=0) <= LARGEST_FLOAT16
    return features.astype(np.float16 if fits else np.float32)


def _lists(values: Array) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _array(column: pa.ChunkedArray) -> Array:
    flat: Array = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), -1)
