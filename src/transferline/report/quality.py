"""The sections about the predictions of the selected model: classes, mistakes, calibration, robustness."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.datasets.images import read_image
from transferline.insight.explanation_pictures import heat_picture
from transferline.insight.mistakes import MISTAKES_FILE, worst_mistakes
from transferline.insight.mistakes import SIDE as HEAT_SIDE
from transferline.insight.neighbours import nearest
from transferline.metrics.calibration import UNSCALED_ERROR
from transferline.metrics.rejection import promise
from transferline.not_applicable import NotApplicableError
from transferline.params.problem_kinds import KINDS
from transferline.problems.evaluation import label_evaluation_of
from transferline.registry.decision_files import DECIDED
from transferline.report.blocks import Block, Table, Text, Tile, Tiles
from transferline.report.page_pictures import SIDE, share, stored, tile
from transferline.report.report_inputs import ReportInputs
from transferline.text import with_interval

MISTAKES = 12
HEAT = (
    "Orange marks what supports the class that is named below it: a square of the mean colour there lowers its "
    "probability most. The next images are the most similar training images of this class and of the true classes."
)
OF_CLASSES = {  # of each class in `metrics.json`, in the order of the columns
    "recall": "recall",
    "precision": "precision",
    "f1": "F1",
    "average_precision": "average precision",
    "iou": "IoU",
}
PICTURES = {
    "confusion.png": "Confusion matrix: true classes in rows, predicted ones in columns",
    "classes.png": "The metric of each class",
    "precision_recall.png": "Precision against recall of the most frequent classes",
}


def confusion(inputs: ReportInputs) -> list[Block]:
    """Returns recall and precision of each class, with the thresholds of labels, and the confusion."""
    per_class = inputs.metrics["per_class"]
    names = [name for name in OF_CLASSES if any(one.get(name) is not None for one in per_class.values())]
    has_threshold = any("threshold" in one for one in per_class.values())
    heads = ["class", *(OF_CLASSES[name] for name in names), *["threshold"] * has_threshold]
    heads.append("pixels" if KINDS[inputs.selected.metrics["problem"]].has_masks else "images")
    rows = [
        [
            label,
            *(share(one.get(name), one.get(f"{name}_low"), one.get(f"{name}_high")) for name in names),
            *([f"{one['threshold']:.3f}"] if has_threshold else []),
            f"{one.get('support', 0):,}",
        ]
        for label, one in per_class.items()
    ]
    blocks: list[Block] = [Table(heads, rows, f"Metrics of each class on {inputs.split}. In brackets: intervals.")]
    folder = inputs.selected.folder
    return blocks + [one for name, alt in PICTURES.items() for one in stored(folder / name, alt)]


def mistakes(inputs: ReportInputs) -> Sequence[Block]:
    """Returns the mistakes of which the model is most certain; for masks the pictures of the evaluation."""
    if KINDS[inputs.selected.metrics["problem"]].has_masks:
        alt = "Images, their masks, the predicted masks and the wrong pixels; the best, median and worst images"
        return stored(inputs.selected.folder / "gallery.png", alt)
    rows = inputs.predictions
    wrong = worst_mistakes(rows, inputs.card)
    if wrong.empty:
        return [Text(f"No mistake on the {len(rows):,} images of {inputs.split}.", "good")]
    explained = _explained(inputs)
    groups = [_mistake(inputs, row, explained) for row in wrong.head(MISTAKES).to_dict("records")]
    most = f"The {len(groups)} of which the model is most certain are shown"
    shown = most if len(wrong) > len(groups) else "All are shown"
    text = f"{len(wrong):,} of {len(rows):,} images of {inputs.split} are predicted wrongly. {shown}."
    return [Text(text), Tiles(groups, HEAT if explained else "")]


def _explained(inputs: ReportInputs) -> dict[str, dict[Any, Any]]:
    """Returns class and heat map of the mistakes that the stage `insight` explained, by path."""
    try:
        found = pd.read_parquet(inputs.insight("mistakes") / MISTAKES_FILE)
    except NotApplicableError:
        return {}
    return {str(row["path"]): row for row in found.to_dict("records")}


def _mistake(inputs: ReportInputs, row: dict[Any, Any], explained: Mapping[str, dict[Any, Any]]) -> list[Tile]:
    """Returns the image; if it is explained, also its heat map and the most similar training images."""
    path, kind = str(row["path"]), label_evaluation_of(inputs.card.problem)
    lines = kind.mistake_caption(row)
    tiles = [tile(inputs.raw / path, f"{path}: {', '.join(lines)}", *lines, Path(path).name)]
    found = explained.get(path)
    if found is None:
        return tiles
    picture = read_image(inputs.raw / path, inputs.card.image.model_copy(update={"size": SIDE}), None)
    heat = heat_picture(picture, found["heat"].reshape(HEAT_SIDE, HEAT_SIDE))
    tiles.append(tile(heat, f"Heat map of {path} for {found['about']}", f"what supports {found['about']}"))
    return tiles + _neighbours(inputs, path, [found["about"], *kind.split(row["label"])])


def _neighbours(inputs: ReportInputs, path: str, classes: Sequence[str]) -> list[Tile]:
    table = inputs.insight_table
    place = np.flatnonzero(table.rows["path"] == path)
    if table.features is None or not len(place):
        return []
    found = {name: nearest(table, table.features[place[0]], name, 1) for name in dict.fromkeys(classes)}
    return [
        tile(inputs.raw / one.path, f"Training image {one.path} of {name}", f"nearest {name}", Path(one.path).name)
        for name, neighbours in found.items()
        for one in neighbours
    ]


def robustness(inputs: ReportInputs) -> Sequence[Block]:
    """Returns the pictures of corruptions and attacks."""
    names = {
        "corruptions.png": "The main metric under each corruption by severity, and by class",
        "adversarial.png": "The main metric under attacks against the largest change of a pixel",
    }
    found = [one for name, alt in names.items() for one in stored(inputs.selected.folder / name, alt)]
    if not found:
        raise NotApplicableError("evaluate.robustness is null, so no corrupted or attacked images were predicted")
    return found


def calibration(inputs: ReportInputs) -> list[Block]:
    """Returns the calibration error and the reliability diagram."""
    error = inputs.metrics.get("expected_calibration_error")
    if error is None:
        raise NotApplicableError("the calibration of masks is not measured")
    low, high = (inputs.metrics.get(f"expected_calibration_error{end}") for end in ("_low", "_high"))
    text = f"The expected calibration error on {inputs.split} is {with_interval(error, low, high)}"
    before = inputs.metrics.get(UNSCALED_ERROR)
    text += (
        f"; without the temperature {inputs.card.temperature:.3f} it is {before:.4f}." if before is not None else "."
    )
    alt = "Reliability diagram: accuracy against confidence, and the number of images in each bin"
    return [Text(text), *_promise(inputs), *stored(inputs.selected.folder / "reliability.png", alt)]


def _promise(inputs: ReportInputs) -> list[Block]:
    """Returns what the model promises about its labels, and whether it holds on `split`.

    Nothing for several labels: each has its own threshold, and an image may get none.
    """
    if KINDS[inputs.selected.metrics["problem"]].several_labels:
        return []
    if not inputs.card.rejection:
        return [Text("The model gives every image a label; thresholds.reject.error sets a limit.")]
    blocks: list[Block] = [Text(f"Its promise: {promise(inputs.card.rejection)}.")]
    coverage, error = (inputs.metrics.get(name) for name in DECIDED)
    if coverage is not None:
        held = f"On {inputs.split}, {coverage:.1%} of the images get a label"
        blocks.append(Text(held + ("." if error is None else f", and {error:.1%} of these labels are wrong.")))
    return blocks
