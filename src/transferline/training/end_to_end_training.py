"""Training of a network without a pretrained part."""

from pathlib import Path

from transferline.datasets.images import read_batch
from transferline.datasets.tables import ImageTable
from transferline.models.backbones import image_shape
from transferline.models.layers import build_layers
from transferline.params import EndToEnd
from transferline.training.assemble_model import assemble_network
from transferline.training.decoded_images import DecodedImages
from transferline.training.devices import use_devices
from transferline.training.model_folder import Summary
from transferline.training.training_job import Job, make_batches, make_deterministic, run_job
from transferline.training.training_rows import sample_paths, training_rows


def train(raw: Path, views: ImageTable, candidate: EndToEnd, job: Job) -> Summary:
    """Trains a candidate's network and writes its folder.

    Each epoch takes one view of each image, drawn from the kinds that `train.views` names. Validation images are
    untouched.

    Args:
        raw: the folder of the images.
        views: the table of views.
        candidate: the candidate.
        job: how to train, from the candidate's `train` section.

    Raises:
        TransferlineError: the layers do not fit together, an image cannot be read, or the disk is full.
    """
    card, image = job.card, candidate.image
    use_devices(job.training)
    make_deterministic(job.seed)
    network = build_layers(image_shape(image), candidate.layers, card.problem, len(card.classes))
    rows = training_rows(views, candidate.train.views)
    pixels = DecodedImages(raw, rows, image, job.folder)
    train_rows, validation_rows = (rows[rows["split"] == split] for split in ("train", "validation"))
    data, validation = make_batches(job, train_rows, validation_rows, pixels.read, one_view_per_image=True)
    exported = assemble_network(network, image, card.problem)
    return run_job(job, network, exported, data, validation, read_batch(raw, sample_paths(views), image))
