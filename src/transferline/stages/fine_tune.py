"""Stage `fine_tune`: trains layers of a candidate's backbone, to the depth that is best on validation."""

from pathlib import Path

from transferline.params import Params, Pretrained
from transferline.progress import nothing_to_do
from transferline.quiet import quiet_imports


def run(params: Params, *, candidate: str, raw: Path, bank: Path, head: Path, model: Path) -> None:
    """Fine-tunes from the trained head, or from untrained layers if the candidate has no `train_head`.

    Writes the model's folder, which stays empty if the candidate has no `fine_tune`.
    """
    section = params.candidates[candidate]
    if not isinstance(section, Pretrained) or section.fine_tune is None:
        return nothing_to_do(f"{candidate} has no fine_tune", model)

    with quiet_imports():
        from transferline.models.exported import ModelCard
        from transferline.registry.runs import training_run
        from transferline.training.fine_tuning import fine_tune
        from transferline.training.streamed_bank import open_bank
        from transferline.training.training_job import Job

    opened = open_bank(bank, raw, section)
    card = ModelCard(
        candidate=candidate,
        phase="fine_tune",
        problem=params.data.problem,
        classes=opened.table.classes,
        image=section.image,
        max_pixels=params.validate_.max_pixels,
    )
    start = head if section.train_head else None
    with training_run(params, card, model, parent=start) as listener:
        job = Job(section.fine_tune, params.thresholds, card, params.seed, model, listener)
        fine_tune(opened, section, start, job, raw)
