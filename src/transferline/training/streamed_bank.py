"""The bank for the training stages: values that `extract` could not store are computed when they are needed."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from transferline.arrays import Array
from transferline.params import Pretrained
from transferline.progress import say
from transferline.training.bank import Bank, read_bank
from transferline.training.frozen_part import FrozenPart, frozen_arrays, frozen_part


def open_bank(folder: Path, raw: Path, candidate: Pretrained) -> Bank:
    """Opens a bank that `extract` wrote; values that it could not store are computed again in every epoch.

    These values are rounded to the dtype of the bank, so that a training gets the same values in both cases.

    Args:
        folder: the bank.
        raw: the folder of the images.
        candidate: the candidate.
    """
    bank = read_bank(folder)
    if bank.is_whole:
        return bank
    say(f"{folder} did not fit on the disk: values that it does not hold are computed again in every epoch")
    return replace(bank, computed=partial(_computed, frozen_part(candidate), raw, candidate))


def _computed(part: FrozenPart, raw: Path, candidate: Pretrained, purpose: str, rows: pd.DataFrame) -> dict[str, Array]:
    wanted = {f"in_{each}": each == purpose for each in ("head", "fine_tune")}
    return frozen_arrays(part, raw, rows.assign(**wanted), candidate)
