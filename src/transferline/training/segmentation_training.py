"""Training of a segmentation network from images and masks."""

from pathlib import Path

import keras
import numpy as np

from transferline.datasets.images import read_batch
from transferline.datasets.tables import ImageTable
from transferline.models.backbone_cut import InferenceMode
from transferline.models.backbones import image_shape, preprocessing
from transferline.models.deeplab import build_decoder, build_encoder
from transferline.params import DeepLab
from transferline.training.assemble_model import assemble_segmentation
from transferline.training.batches import class_weight_vector
from transferline.training.devices import use_devices
from transferline.training.folded_normalization import fold_in_step
from transferline.training.mask_targets import MaskBatches, MaskedImages
from transferline.training.model_folder import Summary
from transferline.training.training_job import Job, make_deterministic, run_job
from transferline.training.training_rows import sample_paths, training_rows

SAMPLES = 2  # images to check the exported model with; few, because each prediction holds all pixels


def train_segmentation(raw: Path, views: ImageTable, candidate: DeepLab, job: Job) -> Summary:
    """Trains a candidate's network and writes its folder; epochs and views are those of `end_to_end_training.train`.

    Batch normalisation of the encoder stays in inference mode: its statistics do not change. Where the encoder is
    trained, its scale and offset are trained too.

    Raises:
        TransferlineError: the encoder's weights are not available, a file cannot be read, or the disk is full.
    """
    card, image, training = job.card, candidate.image, candidate.train
    use_devices(job.training)
    encoder = build_encoder(candidate)
    make_deterministic(job.seed)
    decoder = build_decoder(encoder, candidate, len(card.classes))
    exported = assemble_segmentation(encoder, decoder, candidate, card.problem)
    drawn = keras.Input(image_shape(image))
    encoded = InferenceMode(fold_in_step(encoder))(preprocessing(candidate.backbone.name)(drawn))
    network = keras.Model(drawn, decoder(encoded))
    rows = training_rows(views, training.views)
    pixels = MaskedImages(raw, rows, image, job.folder)
    parts = {split: rows[rows["split"] == split] for split in ("train", "validation")}
    counts = {split: pixels.counts(part.index.to_numpy())[: len(card.classes)] for split, part in parts.items()}
    weights = class_weight_vector(training, counts["train"], card.classes)
    data = MaskBatches(parts["train"], pixels.read, counts["train"], weights, training.batch_size, job.seed)
    ones = np.ones_like(weights)
    validation = MaskBatches(parts["validation"], pixels.read, counts["validation"], ones, training.batch_size, None)
    samples = read_batch(raw, sample_paths(views)[:SAMPLES], image)
    return run_job(job, network, exported, data, validation, samples, encoder=encoder)
