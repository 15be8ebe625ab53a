"""Stage `fine_tune`: training of the unfrozen top of a candidate's backbone."""

from pathlib import Path

from transferline.models.exported import read_card
from transferline.params import Params
from transferline.progress import say
from transferline.registry.runs import training_run
from transferline.training.bank import read_bank
from transferline.training.fine_tune import fine_tune


def run(params: Params, *, candidate: str, bank: Path, head: Path, model: Path) -> None:
    """Fine-tunes from the trained head and writes the model's folder; it stays empty where fine-tuning is off."""
    section = params.candidates[candidate]
    if section.fine_tune is None:
        model.mkdir(parents=True, exist_ok=True)
        say(f"{candidate}: fine-tuning is off")
        return
    card = read_card(head).model_copy(update={"phase": "fine_tune"})
    with training_run(params, card, model, parent=head) as listener:
        fine_tune(read_bank(bank), section, section.fine_tune, card, params.seed, head, model, listener)
