"""Stage `train`: trains a network from images, without a bank."""

from pathlib import Path

from transferline.datasets.tables import read_table
from transferline.params import DeepLab, EndToEnd, Params
from transferline.progress import nothing_to_do
from transferline.quiet import quiet_imports


def run(params: Params, *, candidate: str, raw: Path, views: Path, model: Path) -> None:
    """Trains the candidate's network on the views; the model's folder stays empty if the candidate has no `train`."""
    section = params.candidates[candidate]
    if not isinstance(section, EndToEnd | DeepLab):
        return nothing_to_do(f"{candidate} has no train", model)

    with quiet_imports():
        from transferline.datasets.mask_values import values_from_text
        from transferline.models.exported import ModelCard
        from transferline.registry.runs import training_run
        from transferline.training.end_to_end_training import train
        from transferline.training.segmentation_training import train_segmentation
        from transferline.training.training_job import Job

    table = read_table(views)
    card = ModelCard(
        candidate=candidate,
        phase="train",
        problem=params.data.problem,
        classes=table.classes,
        image=section.image,
        max_pixels=params.validate_.max_pixels,
        mask_values=values_from_text(table.rows["mask_values"].iloc[0]) if "mask_values" in table.rows else None,
    )
    with training_run(params, card, model) as listener:
        job = Job(section.train, params.thresholds, card, params.seed, model, listener)
        if isinstance(section, DeepLab):
            train_segmentation(raw, table, section, job)
        else:
            train(raw, table, section, job)
