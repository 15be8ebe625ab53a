"""Stage `train_head`: feature-extraction training of a candidate."""

from pathlib import Path

from transferline.params import Params, Pretrained
from transferline.progress import nothing_to_do
from transferline.quiet import quiet_imports


def run(params: Params, *, candidate: str, raw: Path, bank: Path, model: Path) -> None:
    """Trains the candidate's layers on the bank and writes the model's folder.

    The folder stays empty if the candidate has no `train_head`.
    """
    section = params.candidates[candidate]
    if not isinstance(section, Pretrained) or section.train_head is None:
        return nothing_to_do(f"{candidate} has no train_head", model)

    with quiet_imports():
        from transferline.models.exported import ModelCard
        from transferline.registry.runs import training_run
        from transferline.training.head_training import train_head
        from transferline.training.streamed_bank import open_bank
        from transferline.training.training_job import Job

    opened = open_bank(bank, raw, section)
    card = ModelCard(
        candidate=candidate,
        phase="head",
        problem=params.data.problem,
        classes=opened.table.classes,
        image=section.image,
        max_pixels=params.validate_.max_pixels,
    )
    with training_run(params, card, model) as listener:
        train_head(opened, section, Job(section.train_head, params.thresholds, card, params.seed, model, listener))
