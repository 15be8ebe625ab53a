"""The sections about the predictions of the selected model: classes, mistakes, calibration, robustness."""

from pathlib import Path
from typing import Any

from transferline.params.problem_kinds import KINDS
from transferline.report.blocks import Block, NotApplicableError, Table, Text, Tiles
from transferline.report.page_pictures import share, stored, tile
from transferline.report.report_inputs import ReportInputs

MISTAKES = 24
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
    return blocks + [stored(folder / name, alt) for name, alt in PICTURES.items() if (folder / name).is_file()]


def mistakes(inputs: ReportInputs) -> list[Block]:
    """Returns the wrong predictions with the highest confidence; for masks the pictures of the evaluation."""
    if KINDS[inputs.selected.metrics["problem"]].has_masks:
        alt = "Images, their masks, the predicted masks and the wrong pixels; the best, median and worst images"
        return [stored(inputs.selected.folder / "gallery.png", alt)]
    rows = inputs.predictions
    wrong = rows[rows["label"] != rows["predicted"]].sort_values(["confidence", "path"], ascending=[False, True])
    if wrong.empty:
        return [Text(f"No mistake on the {len(rows):,} images of {inputs.split}.", "good")]
    groups = [[_mistake(inputs, row)] for row in wrong.head(MISTAKES).to_dict("records")]
    shown = f"The {len(groups)} with the highest confidence" if len(wrong) > len(groups) else "The highest confidence"
    caption = f"{len(wrong):,} of {len(rows):,} images of {inputs.split} are predicted wrongly. {shown} come first."
    return [Tiles(groups, caption)]


def _mistake(inputs: ReportInputs, row: dict[Any, Any]) -> Any:
    path, label, predicted = str(row["path"]), row["label"] or "no label", row["predicted"] or "no label"
    alt = f"{path}: {label}, predicted {predicted}"
    lines = (f"true: {label}", f"predicted: {predicted} {row['confidence']:.0%}", Path(path).name)
    return tile(inputs.raw / path, alt, *lines)


def robustness(inputs: ReportInputs) -> list[Block]:
    """Returns the pictures of corruptions and attacks."""
    names = {
        "corruptions.png": "The main metric under each corruption by severity, and by class",
        "adversarial.png": "The main metric under attacks against the largest change of a pixel",
    }
    found = [stored(inputs.selected.folder / name, alt) for name, alt in names.items() if _is(inputs, name)]
    if not found:
        raise NotApplicableError("evaluate.robustness is null, so no corrupted or attacked images were predicted")
    return [*found]


def _is(inputs: ReportInputs, name: str) -> bool:
    return (inputs.selected.folder / name).is_file()


def calibration(inputs: ReportInputs) -> list[Block]:
    """Returns the calibration error and the reliability diagram."""
    error = inputs.metrics.get("expected_calibration_error")
    if error is None:
        raise NotApplicableError("the calibration of masks is not measured")
    ends = (inputs.metrics.get(f"expected_calibration_error{end}") for end in ("_low", "_high"))
    low, high = ends
    interval = "" if low is None or high is None else f" ({low:.4f} to {high:.4f})"
    text = f"The expected calibration error on {inputs.split} is {error:.4f}{interval}."
    alt = "Reliability diagram: accuracy against confidence, and the number of images in each bin"
    return [Text(text), stored(inputs.selected.folder / "reliability.png", alt)]
