"""Fine-tuning: layers of the backbone, and the layers on it, to the depth that is best on validation."""

import json
import math
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import keras
import pandas as pd

from transferline.models.backbone_cut import InferenceMode, cut
from transferline.models.backbones import build_backbone, image_shape, preprocessing
from transferline.models.exported import HEAD_FILE, HISTORY_FILE, SUMMARY_FILE
from transferline.models.layers import build_layers, pool
from transferline.params import Pretrained, Unfreeze
from transferline.training.assemble_model import assemble
from transferline.training.bank import Bank
from transferline.training.bank_check import require_bank_of
from transferline.training.batches import Batches
from transferline.training.decoded_images import DecodedImages
from transferline.training.devices import use_devices
from transferline.training.folded_normalization import fold_in_step
from transferline.training.ladder import Rung, TrainedHead
from transferline.training.model_folder import Summary
from transferline.training.training_job import BYTES_AT_ONCE, Job, make_batches, make_deterministic, run_job


def fine_tune(bank: Bank, candidate: Pretrained, head_folder: Path | None, job: Job, raw: Path) -> Summary:
    """Trains the layers that `backbone.unfreeze` names and the candidate's own layers, and writes the model's folder.

    Where `unfreeze` lists several boundaries, each is a rung of `climb`. The first one trains from the bank, with the
    views of `extract.fine_tune_views`. The frozen layers of the others are few, so they run in every step; each epoch
    draws one of all views of an image.

    Batch normalisation of the backbone stays in inference mode: its statistics do not change. Where it is unfrozen, its
    scale and offset are trained. Batch normalisation in the candidate's own layers is trained as usual.

    Args:
        bank: the first boundary's tensors for train and validation.
        candidate: the candidate.
        head_folder: the folder that `train_head` wrote; None starts with untrained layers.
        job: how to train, from the candidate's `fine_tune` section.
        raw: the folder of the images.

    Raises:
        TransferlineError: an image cannot be read, the disk is full, or see `require_bank_of`.
    """
    card = job.card
    use_devices(job.training)
    backbone = build_backbone(candidate.backbone, candidate.image)
    require_bank_of(backbone, candidate, bank)
    make_deterministic(job.seed)
    features = pool(backbone.output, candidate.backbone.pooling)
    if head_folder:
        head = keras.saving.load_model(head_folder / HEAD_FILE, compile=False)
    else:
        head = build_layers(features.shape[1:], candidate.layers, card.problem, len(card.classes))
    first = _from_bank(bank, backbone, head, candidate, job)
    rungs = [lambda: first, *_from_images(bank, backbone, head, candidate, job, raw)]
    exported = assemble(backbone, head, candidate, card.problem)
    before = _read_trained_head(head_folder) if head_folder else None
    return run_job(job, first.model, exported, first.data, first.validation, bank.samples(), before, rungs=rungs)


def _read_trained_head(folder: Path) -> TrainedHead:
    summary = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
    return TrainedHead(pd.read_csv(folder / HISTORY_FILE), summary["best_epoch"])


def _from_bank(bank: Bank, backbone: keras.Model, head: keras.Model, candidate: Pretrained, job: Job) -> Rung:
    """Returns the rung of the first boundary."""
    parts = cut(backbone, candidate.backbone.bank_boundary)
    inputs = [keras.Input(shape) for shape in bank.boundary]
    features = pool(InferenceMode(fold_in_step(parts.top))(inputs), candidate.backbone.pooling)
    train, validation = bank.rows("fine_tune", "train"), bank.rows("fine_tune", "validation")
    at_once = BYTES_AT_ONCE // (4 * sum(map(math.prod, bank.boundary)))
    batches = make_batches(job, train, validation, bank.gather_boundary, one_view_per_image=True, views_at_once=at_once)
    return Rung(parts.trainable[0].name, keras.Model(inputs, head(features)), *batches)


def _from_images(
    bank: Bank, backbone: keras.Model, head: keras.Model, candidate: Pretrained, job: Job, raw: Path
) -> list[Callable[[], Rung]]:
    """Returns functions that build the rungs of the other boundaries. The first call decodes the images."""
    rows, image = bank.rows("images"), candidate.image
    train, validation = (rows[rows["split"] == split] for split in ("train", "validation"))

    @cache
    def batches() -> tuple[Batches, Batches]:
        pixels = DecodedImages(raw, rows, image, job.folder)
        return make_batches(job, train, validation, pixels.read, one_view_per_image=True)

    def build(boundary: Unfreeze) -> Rung:
        trainable = cut(backbone, boundary).trainable
        drawn = keras.Input(image_shape(image))
        prepared = preprocessing(candidate.backbone.name)(drawn)
        features = pool(InferenceMode(fold_in_step(backbone))(prepared), candidate.backbone.pooling)
        return Rung(trainable[0].name, keras.Model(drawn, head(features)), *batches())

    return [partial(build, boundary) for boundary in candidate.backbone.boundaries[1:]]
