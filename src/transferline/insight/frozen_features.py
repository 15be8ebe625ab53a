"""The outputs of a candidate's frozen layers for untouched images: no label has changed these features."""

from pathlib import Path

import numpy as np
import pandas as pd

from transferline.arrays import Array, Flags, Positions
from transferline.insight.insight_table import InsightTable
from transferline.insight.predict_all_images import features_of
from transferline.models.exported import load_model
from transferline.not_applicable import NotApplicableError
from transferline.training.bank import INDEX_FILE, TOLERANCE, Bank, read_bank
from transferline.training.training_rows import sample_paths

MAX_BYTES = 2 * 10**9


def frozen_features(bank_folder: Path, models: Path, raw: Path, table: InsightTable) -> tuple[Positions, Array]:
    """Returns the frozen features of the images of a table.

    Those of train and validation come from the bank, which holds no test image. Those of test come from the model of
    the phase head, if the vectors before its last layer are the same frozen features. Else test images are left out.

    Args:
        bank_folder: the candidate's bank; an empty folder if it has none.
        models: the folder with the candidate's model folders, `<phase>/`.
        raw: the folder of the images.
        table: the images.

    Returns:
        The positions in the table of the images with features, (n,), ascending; and the features, (n, length) float32.

    Raises:
        NotApplicableError: the candidate has no bank of vectors, or they take more than `MAX_BYTES`.
    """
    bank = _bank(bank_folder)
    if (size := 4 * len(table.rows) * bank.features[0]) > MAX_BYTES:
        raise NotApplicableError(f"the features of all images take {size / 1e9:.1f} GB of memory; 2 GB are allowed")
    untouched = bank.table.rows[bank.table.rows["in_head"]].reset_index(drop=True)
    untouched = untouched[untouched["kind"] == "untouched"]
    place = pd.Series(untouched.index, untouched["path"])
    paths = table.rows["path"]
    in_bank = paths.isin(place.index).to_numpy()
    values = np.zeros((len(paths), *bank.features), np.float32)
    values[in_bank] = bank.gather("features", place[paths[in_bank]].to_numpy())
    is_known: Flags = in_bank.copy()
    if _head_outputs_frozen_features(bank, models, place):
        is_known |= True
        values[~in_bank] = _of_head(models, raw, table, ~in_bank)
    known = np.flatnonzero(is_known)
    return known, values[known]


def _bank(folder: Path) -> Bank:
    if not (folder / INDEX_FILE).exists():
        raise NotApplicableError("the candidate has no bank of frozen features")
    bank = read_bank(folder)
    if len(bank.features) != 1:
        raise NotApplicableError("the bank of the candidate holds feature maps, not vectors; see backbone.pooling")
    if "features" not in bank.stored:
        raise NotApplicableError("the features of the bank did not fit on the disk")
    if not bank.table.rows["in_head"].any():
        raise NotApplicableError("the candidate has no train_head, so its bank has no features")
    return bank


def _head_outputs_frozen_features(bank: Bank, models: Path, place: pd.Series) -> bool:
    """Returns whether the model of the phase head outputs the values of the bank for some validation images."""
    found = load_model(models / "head").features(bank.samples())
    expected = bank.gather("features", place[sample_paths(bank.table)].to_numpy())
    if found is None or found.shape != expected.shape:
        return False
    return bool(np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max())


def _of_head(models: Path, raw: Path, table: InsightTable, wanted: Flags) -> Array:
    if table.phase == "head" and table.features is not None:
        return table.features[wanted].astype(np.float32)
    return features_of(models / "head", raw, table.rows["path"][wanted].tolist())
