"""Files with the predictions of a segmentation model: masks, overlays, run-length encoded rows, shares of classes."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from PIL import Image

from transferline.arrays import Mask, Pixels
from transferline.datasets.images import open_upright, read_image
from transferline.datasets.masks import classes_in_original, overlay, write_mask
from transferline.errors import TransferlineError
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.run_length_encoding import encode
from transferline.text import first_of, printable

OVERLAYS = "overlays"
MOST_NAMED, TEXT_SHARE = 10, 0.005
NOT_READ = 1 << 30  # so large that no JPEG is decoded at a reduced scale


@dataclass(frozen=True)
class Segmented:
    """What a model predicts for one file.

    Attributes:
        path: the file.
        shares: the share of the pixels by class, 0 to 1; only classes that are predicted.
        error: why the file could not be read; None if it could.
    """

    path: str
    shares: dict[str, float]
    error: str | None


def files_of_mask(folder: Path, image: Path) -> tuple[Path, Path]:
    """Returns the files in `folder` for the mask of an image, and for its overlay."""
    return folder / f"{image.stem}.png", folder / OVERLAYS / f"{image.stem}.png"


class Writer:
    """Writes each mask, before the next one is predicted.

    Args:
        card: the card of the model.
        folder: for the mask, with the values of `card.mask_values`, and its overlay, see `files_of_mask`; None writes
            neither.
        rows: an open CSV file for the columns Id, Class and Runs; None writes no rows.
    """

    def __init__(self, card: ModelCard, folder: Path | None, rows: TextIO | None) -> None:
        self._card, self._folder = card, folder
        self._rows = csv.writer(rows) if rows else None
        if folder:
            (folder / OVERLAYS).mkdir(parents=True, exist_ok=True)
        if self._rows:
            self._rows.writerow(["Id", "Class", "Runs"])

    def write(self, path: Path, pixels: Any, mask: Mask) -> None:
        """Writes one mask, and a run-length encoded row for each class that it holds (see `run_length_encoding.py`)."""
        if self._folder:
            of_mask, of_overlay = files_of_mask(self._folder, path)
            write_mask(mask, self._card.classes, of_mask, self._card.mask_values)
            Image.fromarray(overlay(pixels, mask, self._card.classes)).save(of_overlay)
        if self._rows:
            for number in np.unique(mask):
                self._rows.writerow([printable(path.stem), self._card.classes[number], encode(mask == number)])


def require_names(paths: Sequence[Path]) -> None:
    """Checks that the names of the files without suffix are unique: they become the names of masks and rows.

    Raises:
        TransferlineError: several files have the same name; the message lists these names.
    """
    twice = [name for name, count in Counter(path.stem for path in paths).items() if count > 1]
    if twice:
        raise TransferlineError(
            "each mask and row needs a unique name, but several files are called "
            f"{first_of(twice, MOST_NAMED)}; rename them"
        )


def predict_mask(card: ModelCard, model: LiteModel, path: Path) -> tuple[Pixels, Mask]:
    """Predicts one file.

    Returns:
        The upright image, (height, width, 3) uint8 in RGB, and the positions of the predicted classes, (height, width).

    Raises:
        TransferlineError: the file cannot be read as an image.
    """
    pixels = np.asarray(open_upright(path, NOT_READ, "rgb", card.max_pixels))
    values = model.probabilities(read_image(path, card.image, card.max_pixels)[None])[0]
    height, width = pixels.shape[:2]
    return pixels, classes_in_original(values, width, height, card.image.resize)


def segment(card: ModelCard, model: LiteModel, paths: Sequence[Path], writer: Writer) -> Iterator[Segmented]:
    """Yields what the model predicts for each file, in order, and writes its mask in the size of the file's image."""
    for path in paths:
        try:
            pixels, mask = predict_mask(card, model, path)
        except TransferlineError as error:
            yield Segmented(str(path), {}, str(error))
            continue
        writer.write(path, pixels, mask)
        counts = np.bincount(mask.ravel(), minlength=len(card.classes)) / mask.size
        shares = {name: float(share) for name, share in zip(card.classes, counts, strict=True) if share}
        yield Segmented(str(path), dict(sorted(shares.items(), key=lambda pair: -pair[1])), None)


def shares_as_text(found: Sequence[Segmented]) -> str:
    """Returns a line for each readable file: its path, and the classes that have at least half a percent of its
    pixels."""
    lines = []
    for one in found:
        shares = [f"{name} {share:.1%}" for name, share in one.shares.items() if share >= TEXT_SHARE]
        lines += [] if one.error else [f"{one.path}  {', '.join(shares)}"]
    return "\n".join(lines)


def write_shares(found: Sequence[Segmented], card: ModelCard, path: Path, name: str) -> None:
    """Writes a CSV table with the columns path, one for each class (its share of the pixels), error, and model.

    The last one is `name` in each row.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", *card.classes, "error", "model"])
        for one in found:
            shares = [one.shares.get(label, 0.0) for label in card.classes]
            table.writerow([printable(one.path), *shares, printable(one.error) if one.error else None, name])
