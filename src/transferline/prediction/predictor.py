"""A model for predictions in Python, which `transferline.load` returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transferline.arrays import Array
from transferline.errors import TransferlineError
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.params.problem_kinds import KINDS
from transferline.prediction.named_model import open_model
from transferline.problems.label_predictions import Prediction, predict_images


@dataclass(frozen=True)
class Predictor:
    """An exported model with its card. Several threads may use it at once.

    Attributes:
        card: the classes in the model's order, the kind of problem, and the images that the model takes.
        model: the network.
    """

    card: ModelCard
    model: LiteModel

    def predict(self, images: Sequence[Path | Array] | Array) -> list[Prediction]:
        """Predicts images of any size; an empty sequence gives an empty list.

        Args:
            images: image files, or arrays of pixels: uint8, (height, width), or (height, width, 3) in RGB; or one array
                (n, height, width, 3). Arrays are resized like files with the same pixels.

        Returns:
            A prediction for each image, in order, with the fields of `transferline predict --json`. The `path` of an
            array is its position among the images, such as `[0]`. A file that cannot be read has an `error` and no
            label.

        Raises:
            TransferlineError: `images` is one image, or arrays have another dtype or shape; the message names all of
                them.
        """
        if isinstance(images, str | Path) or (isinstance(images, np.ndarray) and _fault(images) is None):
            raise TransferlineError("predict takes a sequence of images; write predict([image]) for one image")
        if faults := [f"[{place}]: {fault}" for place, image in enumerate(images) if (fault := _fault(image))]:
            raise TransferlineError("these are not images: " + "; ".join(faults))
        named = [image if isinstance(image, np.ndarray) else Path(image) for image in images]
        return list(predict_images(self.card, self.model, named))


def load_named(model: str | Path, project: Path | None) -> Predictor:
    """See `transferline.load`."""
    card, network, _ = open_model(str(model), project)
    if KINDS[card.problem].has_masks:
        raise TransferlineError(
            f"{card.candidate} is a segmentation model, which predicts masks; use `transferline predict --masks DIR`"
        )
    return Predictor(card, network)


def _fault(image: Path | Array) -> str | None:
    if not isinstance(image, np.ndarray):
        return None
    fits = image.dtype == np.uint8 and image.size and (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3))
    wanted = "uint8 (height, width) or (height, width, 3) is allowed"
    return None if fits else f"an array of {image.dtype} {image.shape}; {wanted}"
