"""The distance of an image to the training images, which tells whether a model has seen anything like it.

It is the distance between the vectors before the model's last layer, each of length 1, to the nearest training image.

Source: Y. Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors, ICML 2022.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from transferline.arrays import Array, Float32s, Floats
from transferline.errors import TransferlineError
from transferline.text import reason_of

NOVELTY_FILE = "novelty.npz"


class Novelty(NamedTuple):
    """How new an image is to a model.

    Attributes:
        share: the share of the validation images that are nearer to the training images, from 0 to 1.
        is_beyond: whether it is beyond the limit of `novelty.false_alarms`; False without a limit.
    """

    share: float
    is_beyond: bool


@dataclass(frozen=True)
class TrainingDistance:
    """Measures the distance to the training images of one model.

    Attributes:
        training: features of training images, (n, length) float32, each of length 1.
        validation: the distances of the validation images, (m,) float32, ascending.
        limit: the largest distance of an image that counts as like the training images; infinite for all images.
    """

    training: Float32s
    validation: Float32s
    limit: float = np.inf

    def novelties(self, features: Floats) -> list[Novelty]:
        """Returns the novelty of some images from their features, (n, length)."""
        distances = nearest_distances(features, self.training)
        shares = np.searchsorted(self.validation, distances) / len(self.validation)
        return [
            Novelty(float(share), bool(beyond)) for share, beyond in zip(shares, distances > self.limit, strict=True)
        ]

    def write(self, folder: Path) -> None:
        """Writes `novelty.npz`."""
        training = self.training.astype(np.float16)
        np.savez(folder / NOVELTY_FILE, training=training, validation=self.validation, limit=self.limit)


def read_training_distance(folder: Path | None) -> TrainingDistance | None:
    """Reads `novelty.npz` from a folder of the stage `insight`; None without a folder or the file.

    Raises:
        TransferlineError: the file is damaged.
    """
    file = folder / NOVELTY_FILE if folder else None
    if not file or not file.exists():
        return None
    try:
        with np.load(file) as stored:
            training = stored["training"].astype(np.float32)
            return TrainingDistance(training, stored["validation"], float(stored["limit"]))
    except Exception as error:  # a damaged archive can raise many kinds of exceptions
        raise TransferlineError(
            f"{file} cannot be read: {reason_of(error)}. Restore the file (`dvc checkout`), or run `dvc repro insight`"
        ) from error


def nearest_distances(features: Floats, training: Floats) -> Float32s:
    """Returns the Euclidean distances, (n,) float32, of vectors, (n, length), to the nearest of `training`.

    The vectors are scaled to length 1; those of `training` have it.
    """
    cosine = (unit(features) @ training.T).max(axis=1)
    distances: Float32s = np.sqrt(np.maximum(2 - 2 * cosine, 0)).astype(np.float32)
    return distances


def unit(vectors: Array) -> Float32s:
    """Returns vectors, (…, length), with length 1 in float32; a vector of zeros stays zero."""
    wide = vectors.astype(np.float32)
    lengths = np.linalg.norm(wide, axis=-1, keepdims=True)
    scaled: Float32s = np.divide(wide, lengths, out=np.zeros_like(wide), where=lengths > 0)
    return scaled
