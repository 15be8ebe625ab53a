"""Pictures of predictions where an image may have any number of labels."""

from pathlib import Path

import numpy as np
import pandas as pd

from transferline.arrays import Counts, Flags, Floats, Pixels, Positions
from transferline.datasets.contact_sheet import LARGE, Tile, contact_sheet
from transferline.datasets.images import read_batch
from transferline.metrics.labelled_images import LabelledImages
from transferline.metrics.multilabel import average_precisions, pair_losses
from transferline.models.exported import ModelCard
from transferline.plots import BLUE, GREY, LINES, ORANGE, picture, short
from transferline.problems.classification.classification_pictures import (
    GALLERY_COLUMNS,
    plot_confusion,
    plot_reliability,
)

MOST_CURVES, MOST_LABELS = 8, 5
WINE = "#882255"
NONE = "none"


def draw_multilabel(
    shown: LabelledImages, paths: list[str], card: ModelCard, title: str, raw: Path, gallery: int, folder: Path
) -> None:
    """Draws average precision by class, precision and recall, confused labels, reliability, and a gallery.

    Args:
        shown: the images and their predictions.
        paths: their files.
        card: the card of the model.
        title: of the pictures.
        raw: the folder of the images.
        gallery: the number of worst mistakes shown.
        folder: for `classes.png`, `precision_recall.png`, `confusion.png`, `reliability.png` and `gallery.png`.
    """
    truth, given, values = shown.truth, shown.predicted, shown.probabilities
    plot_average_precisions(shown, card, title, folder / "classes.png")
    plot_precision_recall(truth, given, values, card.classes, title, folder / "precision_recall.png")
    named = (*card.classes, NONE)
    plot_confusion(replacements(truth, given), named, f"{title}\nconfused labels", folder / "confusion.png")
    names = ("probability", "share of true labels", "labels")
    plot_reliability(values.ravel(), truth.ravel(), title, folder / "reliability.png", names)
    worst = worst_images(truth, given, values, gallery)
    images = read_batch(raw, [paths[place] for place in worst], card.image)
    captions = [label_lines(truth[row], given[row], values[row], card.classes) for row in worst]
    plot_labelled(images, captions, title, folder / "gallery.png")


def plot_average_precisions(shown: LabelledImages, card: ModelCard, title: str, path: Path) -> None:
    """Draws the average precision of each class, the highest on top, against chance, with support and threshold."""
    columns = {
        "average_precision": average_precisions(shown),
        "support": shown.truth.sum(axis=0),
        "threshold": card.thresholds,
    }
    table = pd.DataFrame(columns, index=list(card.classes)).sort_values("average_precision", na_position="first")
    places = range(len(table))
    with picture(path, 8, 1.8 + 0.3 * len(table)) as figure:
        axes = figure.subplots()
        axes.barh(places, table["average_precision"].fillna(0), color=BLUE, height=0.7, label="average precision")
        axes.plot(table["support"] / len(shown), places, "|", color=ORANGE, markersize=12, label="by chance")
        axes.set_yticks(places, [short(str(name)) for name in table.index])
        for place, (support, threshold) in zip(places, table[["support", "threshold"]].to_numpy(), strict=True):
            axes.text(1.02, place, f"{support:.0f} images, threshold {threshold:.3f}", va="center", fontsize=8)
        mean = table["average_precision"].mean()
        axes.set(xlim=(0, 1), xlabel="average precision", title=f"{title}\nmean average precision {mean:.4f}")
        axes.grid(axis="x", alpha=0.3)
        figure.legend(loc="outside lower right", ncols=2)


def plot_precision_recall(
    truth: Flags, predicted: Flags, probabilities: Floats, classes: tuple[str, ...], title: str, path: Path
) -> None:
    """Draws precision against recall, for all labels together and for the `MOST_CURVES` most frequent classes.

    A point marks precision and recall at the thresholds of the card.
    """
    from sklearn.metrics import precision_recall_curve

    support = truth.sum(axis=0)
    frequent = np.argsort(-support, kind="stable")[:MOST_CURVES]
    with picture(path, 8, 6) as figure:
        axes = figure.subplots()
        curves = [
            (classes[place], place, 1.6, (LINES[number % len(LINES)], "-" if number < len(LINES) else "--"))
            for number, place in enumerate(frequent)
        ]
        for name, place, width, (color, style) in [*curves, ("all labels", slice(None), 3, ("black", "-"))]:
            own, claimed = truth[:, place].ravel(), predicted[:, place].ravel()
            if not own.any():
                continue
            precision, recall, _ = precision_recall_curve(own, probabilities[:, place].ravel())
            axes.plot(recall, precision, style, color=color, linewidth=width, label=short(name))
            if claimed.any():
                hits = (own & claimed).sum()
                axes.plot(hits / own.sum(), hits / claimed.sum(), "o", color=color, markeredgecolor="white")
        left_out = f", the {len(frequent)} most frequent classes" if len(frequent) < len(classes) else ""
        axes.set(xlim=(0, 1.01), ylim=(0, 1.03), xlabel="recall", ylabel="precision", title=title + left_out)
        axes.grid(alpha=0.3)
        figure.legend(loc="outside right upper", title="points: at the thresholds", fontsize=8)


def replacements(truth: Flags, predicted: Flags) -> Counts:
    """Counts which label is predicted instead of which: (classes + 1, classes + 1), the last row and column are "none".

    Correctly predicted labels are counted on the diagonal. Every missing label of an image is paired with every wrong
    label of it. A missing label is paired with "none" where no label is wrong, and a wrong label where none is missing.
    """
    hit, missing, wrong = truth & predicted, truth & ~predicted, predicted & ~truth
    rows = np.column_stack([missing, wrong.any(axis=1) & ~missing.any(axis=1)]).astype(np.int64)
    columns = np.column_stack([wrong, missing.any(axis=1) & ~wrong.any(axis=1)]).astype(np.int64)
    found: Counts = rows.T @ columns
    found[np.diag_indices(truth.shape[1])] += hit.sum(axis=0)
    return found


def worst_images(truth: Flags, predicted: Flags, probabilities: Floats, most: int) -> Positions:
    """Returns the positions of the `most` images with the highest loss that have a wrong or missing label.

    The highest loss comes first.
    """
    losses = np.where((truth != predicted).any(axis=1), pair_losses(truth, probabilities).mean(axis=1), -1)
    order = np.argsort(-losses, kind="stable")[:most]
    return order[losses[order] >= 0]


def label_lines(
    truth: Flags, predicted: Flags, probabilities: Floats, classes: tuple[str, ...]
) -> list[tuple[str, str]]:
    """Returns text and colour for each label of one image: missing, wrong, then correct ones; at most `MOST_LABELS`."""
    kinds = (
        ("missing", truth & ~predicted, ORANGE),
        ("wrong", predicted & ~truth, WINE),
        ("", truth & predicted, BLUE),
    )
    lines = [
        (f"{kind} {short(classes[place])} {probabilities[place]:.0%}".strip(), color)
        for kind, flags, color in kinds
        for place in np.flatnonzero(flags)
    ]
    left_out = len(lines) - MOST_LABELS
    return lines if left_out <= 0 else [*lines[: MOST_LABELS - 1], (f"and {left_out + 1} more", GREY)]


def plot_labelled(images: Pixels, captions: list[list[tuple[str, str]]], title: str, path: Path) -> None:
    """Draws images with coloured lines of text below each of them.

    Args:
        images: (n, height, width, channels) uint8; without any, the title says "no mistakes".
        captions: text and colour of the lines of each image.
        title: of the picture.
        path: the PNG.
    """
    tiles = [
        Tile(image, "\n".join(text for text, _ in lines), colors=[color for _, color in lines])
        for image, lines in zip(images, captions, strict=True)
    ]
    what = "the worst mistakes: missing, wrong and correct labels" if len(images) else "no mistakes"
    contact_sheet(tiles, path, GALLERY_COLUMNS, f"{title}: {what}", LARGE)
