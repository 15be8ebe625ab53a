"""Pictures of predictions: confusion matrix, reliability diagram, gallery of mistakes."""

from pathlib import Path

import numpy as np
import pandas as pd

from transferline.arrays import Array, Flags, Floats, Pixels
from transferline.datasets.contact_sheet import LARGE, Tile, contact_sheet
from transferline.metrics.calibration import BINS, calibration_bins, expected_calibration_error
from transferline.plots import BLUE, GREY, ORANGE, picture, short

MOST_CLASSES_WITH_COUNTS = 60
GALLERY_COLUMNS, FEWEST_COLUMNS = 6, 3  # three are as wide as the title


def plot_confusion(matrix: Array, classes: tuple[str, ...], title: str, path: Path) -> None:
    """Draws a confusion matrix. The colour is the share of the true class (row), the number counts images.

    Args:
        matrix: (classes, classes) counts, true class by predicted class.
        classes: names, in the order of the matrix.
        title: of the picture.
        path: the PNG.
    """
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(0.36 * len(classes), 3.4, 24))
    with picture(path, side + 2.6, side + 1.6) as figure:
        axes = figure.subplots()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        names = [short(name) for name in classes]
        small = 9 if len(classes) <= MOST_CLASSES_WITH_COUNTS else 4
        axes.set_xticks(range(len(classes)), names, rotation=90, fontsize=small)
        axes.set_yticks(range(len(classes)), names, fontsize=small)
        axes.set(xlabel="predicted", ylabel="true", title=title)
        for (row, column), count in np.ndenumerate(matrix):
            if len(classes) <= MOST_CLASSES_WITH_COUNTS and (count or len(classes) <= 12):
                share = shares[row, column]
                text, size = (f"{count}\n{share:.0%}", 11) if len(classes) <= 3 else (f"{count}", 8)
                color = "white" if share > 0.5 else "black"
                axes.text(column, row, text, ha="center", va="center", color=color, fontsize=size)
        figure.colorbar(image, ax=axes, shrink=0.7, label="share of the true class")


def plot_reliability(
    confidence: Floats,
    correct: Flags,
    title: str,
    path: Path,
    names: tuple[str, str, str] = ("confidence", "accuracy", "images"),
) -> None:
    """Draws the accuracy of each bin of confidence, and below it the number of images in the bin.

    The bins are those of `calibration_bins`.

    Args:
        confidence: (n,), 0 to 1.
        correct: (n,), whether each prediction is right.
        title: of the picture.
        path: the PNG.
        names: the words for confidence, accuracy and images in the picture; a multilabel problem has other words.
    """
    bins = calibration_bins(confidence, correct)
    middle = (bins.index.to_numpy() + 0.5) / BINS
    with picture(path, 5, 6) as figure:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.bar(middle, bins["accuracy"], 0.9 / BINS, color=BLUE, label=names[1])
        above.plot(bins["confidence"], bins["confidence"], "_", color=ORANGE, markersize=14, label=f"mean {names[0]}")
        above.plot((0, 1), (0, 1), color=GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
        error = expected_calibration_error(confidence, correct)
        above.set(
            ylabel=names[1], xlim=(0, 1), ylim=(0, 1.02), title=f"{title}\nexpected calibration error {error:.3f}"
        )
        above.legend(loc="upper left")
        below.bar(middle, bins["count"], 0.9 / BINS, color=GREY)
        below.set(xlabel=names[0], ylabel=names[2])


def plot_gallery(images: Pixels, mistakes: pd.DataFrame, title: str, path: Path) -> None:
    """Draws wrongly classified images with the true class, the predicted class and its probability.

    Args:
        images: (mistakes, height, width, channels) uint8; without any, the title says "no mistakes".
        mistakes: columns label, predicted, confidence, path.
        title: of the picture.
        path: the PNG.
    """
    captions = [
        f"true: {row['label']}\npredicted: {row['predicted']} {row['confidence']:.1%}\n{Path(row['path']).name}"
        for row in mistakes.to_dict("records")
    ]
    columns = min(max(len(images), FEWEST_COLUMNS), GALLERY_COLUMNS)
    title += f": {'the worst mistakes' if len(images) else 'no mistakes'}"
    contact_sheet(list(map(Tile, images, captions)), path, columns, title, LARGE)
