"""A bank as the trainings use it: what `extract` could not store is computed when it is asked for."""

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
    """Opens a bank that `extract` wrote; values that it could not store are computed anew in every epoch.

    They are rounded to the dtype of the bank, so that a training sees the same either way.

    Args:
        folder: the bank.
        raw: the folder of the images.
        candidate: the candidate.
    """
    bank = read_bank(folder)
    if bank.is_whole:
        return bank
    say(f"{folder} did not fit on the disk: the frozen layers run again in every epoch of what is not in it")
    return replace(bank, computed=partial(_computed, frozen_part(candidate), raw, candidate))


def _computed(part: FrozenPart, raw: Path, candidate: Pretrained, purpose: str, rows: pd.DataFrame) -> dict[str, Array]:
    wanted = {f"in_{each}": each == purpose for each in ("head", "fine_tune")}
    return frozen_arrays(part, raw, rows.assign(**wanted), candidate)
