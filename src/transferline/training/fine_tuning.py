"""Fine-tuning: the unfrozen top of the backbone and the layers on it, from the bank at the freeze boundary."""

import math
from pathlib import Path

import keras
import pandas as pd

from transferline.models.backbone_cut import InferenceMode, cut
from transferline.models.backbones import build_backbone
from transferline.models.exported import HEAD_FILE, HISTORY_FILE
from transferline.models.layers import build_layers, pool
from transferline.params import Pretrained
from transferline.training.assemble_model import assemble
from transferline.training.bank import Bank
from transferline.training.devices import use_devices
from transferline.training.folded_normalization import fold_in_step
from transferline.training.model_folder import Summary
from transferline.training.training_job import BYTES_AT_ONCE, Job, make_batches, make_deterministic, run_job


def fine_tune(bank: Bank, candidate: Pretrained, head_folder: Path | None, job: Job) -> Summary:
    """Trains the layers that `backbone.unfreeze` names and the candidate's own layers, and writes the model's folder.

    Batch normalisation of the backbone stays in inference mode: its statistics do not change. Where it is unfrozen, its
    scale and offset are trained. Batch normalisation in the candidate's own layers is trained as usual.

    Args:
        bank: the boundary's tensors for train and validation.
        candidate: the candidate.
        head_folder: the folder that `train_head` wrote; None starts with untrained layers.
        job: how to train, from the candidate's `fine_tune` section.
    """
    card = job.card
    use_devices(job.training)
    backbone = build_backbone(candidate.backbone, candidate.image)
    make_deterministic(job.seed)
    inputs = [keras.Input(shape) for shape in bank.boundary]
    top = fold_in_step(cut(backbone, candidate.backbone.unfreeze).top)
    features = pool(InferenceMode(top)(inputs), candidate.backbone.pooling)
    if head_folder:
        head = keras.saving.load_model(head_folder / HEAD_FILE, compile=False)
    else:
        head = build_layers(features.shape[1:], candidate.layers, card.problem, len(card.classes))
    data, validation = make_batches(
        job,
        bank.rows("fine_tune", "train"),
        bank.rows("fine_tune", "validation"),
        bank.gather_boundary,
        one_view_per_image=True,
        views_at_once=BYTES_AT_ONCE // (4 * sum(map(math.prod, bank.boundary))),
    )
    model = keras.Model(inputs, head(features))
    exported = assemble(backbone, head, candidate, card.problem)
    before = pd.read_csv(head_folder / HISTORY_FILE) if head_folder else None
    return run_job(job, model, exported, data, validation, bank.samples(), before)
