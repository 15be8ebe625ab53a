"""Feature-extraction training: trains a candidate's layers on the bank's features."""

import math
from functools import partial

from transferline.models.backbones import build_backbone
from transferline.models.exported import HEAD_FILE, ModelCard
from transferline.models.layers import build_layers
from transferline.params import LinearTraining, Pretrained
from transferline.training.assemble_model import assemble
from transferline.training.bank import Bank
from transferline.training.bank_check import require_bank_of
from transferline.training.devices import use_devices
from transferline.training.ladder import Fitted
from transferline.training.model_folder import Summary
from transferline.training.refit import refit, rows_of_refit, write_held_out
from transferline.training.training_job import BYTES_AT_ONCE, Job, make_batches, make_deterministic, run_job


def train_head(bank: Bank, candidate: Pretrained, job: Job) -> Summary:
    """Trains a head and writes the folder of the whole model, which also holds the head alone as `head.keras`.

    That is the head before a `refit`, since `fine_tune` starts from it and compares with it on validation.

    Args:
        bank: features of train and validation.
        candidate: its `layers` are trained.
        job: how to train, from the candidate's `train_head` section.

    Raises:
        TransferlineError: see `require_bank_of`.
    """
    card = job.card
    use_devices(job.training)
    backbone = build_backbone(candidate.backbone, candidate.image)
    require_bank_of(backbone, candidate, bank)
    make_deterministic(job.seed)
    head = build_layers(bank.features, candidate.layers, card.problem, len(card.classes))
    batches = partial(
        make_batches,
        job,
        validation=bank.rows("head", "validation"),
        read=partial(bank.gather, "features"),
        one_view_per_image=False,
        views_at_once=BYTES_AT_ONCE // (4 * math.prod(bank.features)),
    )
    data, validation = batches(train=bank.rows("head", "train"))

    def finish(fitted: Fitted, card: ModelCard) -> ModelCard:
        job.folder.mkdir(parents=True, exist_ok=True)
        head.save(job.folder / HEAD_FILE)
        if not isinstance(job.training, LinearTraining) or not job.training.refit:
            return card
        write_held_out(job.folder, fitted, card)
        return refit(head, batches(train=rows_of_refit(bank.rows("head")))[0], fitted, card)

    exported = assemble(backbone, head, candidate, card.problem)
    return run_job(job, head, exported, data, validation, bank.samples(), finish=finish)
