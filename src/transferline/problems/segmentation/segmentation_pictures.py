"""Pictures of a segmentation: masks over images with a legend, IoU by class, confusion of pixels."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Array, Float32s, Mask, Pixels
from transferline.datasets.images import open_upright, read_batch
from transferline.datasets.mask_values import VOID, values_from_text
from transferline.datasets.masks import classes_in_original, colors, overlay, read_whole_mask
from transferline.metrics.pixel_confusion import ious, mean_iou, pixel_accuracy
from transferline.models.exported import ModelCard
from transferline.plots import BLUE, ORANGE, picture, short
from transferline.problems.classification.classification_pictures import plot_confusion

MOST = 3  # images of each kind: best, median, worst
SHOWN_SIDE = 512
WRONG = (213, 94, 0)  # of plots.ORANGE


def draw_segmentation(
    shown: pd.DataFrame,
    matrix: Array,
    model: Any,
    card: ModelCard,
    title: str,
    raw: Path,
    gallery: int,
    folder: Path,
) -> None:
    """Draws IoU by class, the confusion of pixels, and the best, median and worst images.

    Args:
        shown: see `SegmentationEvaluation.rate`.
        matrix: counts of pixels over all images, see `pixel_confusion`.
        model: predicts the images of the gallery again.
        card: the card of the model.
        title: of the pictures.
        raw: the folder of images and masks.
        gallery: the number of images in it, at most `MOST` of a kind.
        folder: for `classes.png`, `confusion.png` and `gallery.png`.
    """
    plot_ious(matrix, card.classes, title, folder / "classes.png")
    shares = f"{title}\nthousands of pixels"
    plot_confusion(np.rint(matrix[:, :-1] / 1000).astype(int), card.classes, shares, folder / "confusion.png")
    plot_masks(chosen(shown, gallery), model, card, title, raw, folder / "gallery.png")


def plot_ious(matrix: Array, classes: tuple[str, ...], title: str, path: Path) -> None:
    """Draws the IoU of each class, the highest on top, against its share of the pixels."""
    table = pd.DataFrame({"iou": ious(matrix), "share": matrix.sum(axis=1) / max(matrix.sum(), 1)}, index=list(classes))
    table = table.sort_values("iou", na_position="first")
    places = range(len(table))
    with picture(path, 8, 1.8 + 0.3 * len(table)) as figure:
        axes = figure.subplots()
        axes.barh(places, table["iou"].fillna(0), color=BLUE, height=0.7, label="IoU")
        axes.plot(table["share"], places, "|", color=ORANGE, markersize=12, label="share of the pixels")
        axes.set_yticks(places, [short(str(name)) for name in table.index])
        for place, (iou, share) in zip(places, table.to_numpy(), strict=True):
            value = "nowhere" if np.isnan(iou) else f"{iou:.3f}"
            axes.text(1.02, place, f"{value}, {share:.2%} of the pixels", va="center", fontsize=8)
        metrics = f"mean IoU {mean_iou(matrix):.4f}, pixel accuracy {pixel_accuracy(matrix):.4f}"
        axes.set(xlim=(0, 1), xlabel="intersection over union", title=f"{title}\n{metrics}")
        axes.grid(axis="x", alpha=0.3)
        figure.legend(loc="outside lower right", ncols=2)


def chosen(predictions: pd.DataFrame, most: int) -> pd.DataFrame:
    """Returns images with the best, median and worst mean IoU, the best first; column `kind` names the group."""
    ranked = predictions.sort_values(["mean_iou", "path"], ascending=[False, True], ignore_index=True)
    each = max(1, min(MOST, most // 3, len(ranked) // 3))
    middle = (len(ranked) - each) // 2
    kinds = {"best": 0, "median": middle, "worst": max(len(ranked) - each, 0)}
    parts = [ranked.iloc[start : start + each].assign(kind=kind) for kind, start in kinds.items()]
    return pd.concat(parts).drop_duplicates("path")


def plot_masks(rows: pd.DataFrame, model: Any, card: ModelCard, title: str, raw: Path, path: Path) -> None:
    """Draws a row for each image: the image, the true mask, the prediction and the wrong pixels; then a legend."""
    images = read_batch(raw, rows["path"].tolist(), card.image)
    predictions = model.probabilities(images)
    with picture(path, 12, 2.6 * len(rows) + 1.4) as figure:
        figure.suptitle(title)
        grid = figure.subplots(len(rows), 4, squeeze=False)
        for axes, row, likely in zip(grid, rows.to_dict("records"), predictions, strict=True):
            _draw_row(axes, row, likely, card, raw)
        names = ("image", "mask", "prediction", "wrong pixels orange, void dark grey")
        for axes, name in zip(grid[0], names, strict=True):
            axes.set_title(name, fontsize=9)
        legend(figure, card.classes)


def _draw_row(axes: Any, row: Any, likely: Float32s, card: ModelCard, raw: Path) -> None:
    picture_of_file = open_upright(raw / row["path"], SHOWN_SIDE, "rgb")
    truth = read_whole_mask(raw / row["mask"], values_from_text(row["mask_values"]))
    predicted = classes_in_original(likely, truth.shape[1], truth.shape[0], card.image.resize)
    pixels = np.asarray(picture_of_file.resize(truth.shape[::-1]))
    for place, shown in zip(axes, (pixels, *_overlays(pixels, truth, predicted, card.classes)), strict=True):
        place.imshow(shown)
        place.set(xticks=[], yticks=[])
    axes[0].set_ylabel(f"{row['kind']}\nmean IoU {row['mean_iou']:.3f}\npixels {row['pixel_accuracy']:.1%}", fontsize=8)
    axes[0].set_xlabel(Path(row["path"]).name[-40:], fontsize=8)


def _overlays(pixels: Pixels, truth: Mask, predicted: Mask, classes: tuple[str, ...]) -> list[Pixels]:
    errors = np.broadcast_to(pixels.mean(axis=-1, keepdims=True) * 0.5 + 110, pixels.shape).astype(np.uint8).copy()
    errors[(truth != predicted) & (truth != VOID)] = WRONG
    errors[truth == VOID] = 90
    return [overlay(pixels, truth, classes), overlay(pixels, predicted, classes), errors]


def legend(figure: Any, classes: tuple[str, ...]) -> None:
    """Adds the colours of the classes below a figure."""
    from matplotlib.patches import Patch

    patches = [
        Patch(facecolor=color / 255, label=short(name)) for color, name in zip(colors(classes), classes, strict=True)
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(len(classes), 7), fontsize=8)
