"""Checks that a bank holds the outputs of the backbone that is trained now."""

import keras
import numpy as np
import pandas as pd

from transferline.errors import TransferlineError
from transferline.models.backbones import image_shape, preprocessing
from transferline.models.layers import pool
from transferline.own_code import file_of, is_own
from transferline.params import Pretrained
from transferline.training.bank import TOLERANCE, Bank
from transferline.training.training_rows import sample_paths


def require_bank_of(backbone: keras.Model, candidate: Pretrained, bank: Bank) -> None:
    """Checks that a backbone of the user's own computes the features of the bank for some validation images.

    It can draw its weights at random, or read them from a file, which DVC does not see.

    Raises:
        TransferlineError: it does not.
    """
    name, rows = candidate.backbone.name, bank.rows("head", "validation")
    rows = rows[rows["kind"] == "untouched"]
    if not is_own(name) or rows.empty or "features" not in bank.stored:
        return
    pixels = keras.Input(image_shape(candidate.image), dtype="uint8")
    features = pool(backbone(preprocessing(name)(pixels)), candidate.backbone.pooling)
    found = keras.Model(pixels, features).predict(bank.samples(), verbose=0)
    expected = bank.gather("features", pd.Series(rows.index, rows["path"])[sample_paths(bank.table)].to_numpy())
    if np.abs(found - expected).max() > TOLERANCE * np.abs(expected).max():
        raise TransferlineError(
            f"{name} in {file_of(name)} builds other weights than when extract computed the bank. It must build the "
            "same weights in each call. If a file that it reads has changed, run `transferline run --force-from "
            "extract`"
        )
