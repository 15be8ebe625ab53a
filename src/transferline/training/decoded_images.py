"""The images of an end-to-end training: decoded once to disk; their views are computed when they are needed."""

from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import pandas as pd

from transferline.arrays import Array, Float32s
from transferline.datasets.images import read_batches
from transferline.datasets.rows_on_disk import read_rows
from transferline.datasets.transforms import apply_views
from transferline.errors import TransferlineError
from transferline.models.backbones import image_shape
from transferline.params import Image
from transferline.progress import progress
from transferline.text import reason_of

READ_AT_ONCE = 64


class DecodedImages:
    """Decoded images in a temporary file without a name. The system deletes it when the process ends.

    While images are decoded, some batches of `READ_AT_ONCE` images are in memory. Later, only the current batches are.

    Args:
        raw: the folder of the images.
        rows: views, with the index 0, 1, …
        image: size and colour mode.
        folder: for the temporary file.

    Raises:
        TransferlineError: the disk is full, or an image cannot be read.
    """

    def __init__(self, raw: Path, rows: pd.DataFrame, image: Image, folder: Path) -> None:
        self._rows = rows
        self._image_of_row, paths = pd.factorize(rows["path"])
        folder.mkdir(parents=True, exist_ok=True)
        batches = read_batches(raw, list(paths), image, READ_AT_ONCE)
        self._shape = image_shape(image)
        try:
            self._file = TemporaryFile(dir=folder)  # noqa: SIM115  it lives as long as this object
            for batch in progress(batches, -(-len(paths) // READ_AT_ONCE), "train: batches decoded"):
                self._file.write(batch.data)
            self._file.flush()
        except OSError as error:
            raise TransferlineError(
                f"the decoded images cannot be written to {folder}: {reason_of(error)}; they take "
                f"{len(paths) * np.prod(self._shape) / 1e9:.2f} GB during training: make room on this disk"
            ) from error

    def read(self, positions: Array) -> Float32s:
        """Returns the views at `positions`, (n,): (n, size, size, channels) float32, 0 to 255."""
        images = np.empty((len(positions), *self._shape), np.uint8)
        read_rows(self._file.fileno(), self._image_of_row[positions], images, np.arange(len(positions)))
        return apply_views(images, self._rows.iloc[positions])
