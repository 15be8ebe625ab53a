"""Stage `extract`: runs the frozen part of a candidate's backbone once over every view."""

from pathlib import Path

from transferline.datasets.tables import read_table
from transferline.params import Params, Pretrained
from transferline.progress import nothing_to_do
from transferline.quiet import quiet_imports


def run(params: Params, *, candidate: str, raw: Path, views: Path, bank: Path) -> None:
    """Writes the candidate's bank; the folder stays empty if the candidate has no backbone."""
    section = params.candidates[candidate]
    if not isinstance(section, Pretrained):
        return nothing_to_do(f"{candidate} has no backbone", bank)

    with quiet_imports():
        from transferline.training.fill_bank import extract

    extract(raw, read_table(views), section, params.data.problem, bank, params.compute, banks=bank.parent)
