"""Stage `extract`: the frozen part of a candidate's backbone, run once over every view."""

from pathlib import Path

from transferline.data.tables import read_table
from transferline.params import Params
from transferline.training.extract import extract


def run(params: Params, *, candidate: str, raw: Path, views: Path, bank: Path) -> None:
    """Writes the candidate's bank."""
    extract(raw, read_table(views), params.candidates[candidate], bank)
