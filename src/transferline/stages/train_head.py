"""Stage `train_head`: feature-extraction training of a candidate."""

from pathlib import Path

from transferline.models.exported import ModelCard
from transferline.params import Params
from transferline.registry.runs import training_run
from transferline.training.bank import read_bank
from transferline.training.train_head import train_head


def run(params: Params, *, candidate: str, bank: Path, model: Path) -> None:
    """Trains the candidate's head on the bank and writes the model's folder."""
    section, opened = params.candidates[candidate], read_bank(bank)
    card = ModelCard(
        candidate=candidate,
        phase="head",
        problem=params.data.problem,
        classes=opened.table.classes,
        image=section.image,
    )
    with training_run(params, card, model) as listener:
        train_head(opened, section, card, params.seed, model, listener)
