"""The sections from the stage `insight`: doubtful labels, novelty, weak slices, what more images would bring."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.models.training_distance import read_training_distance
from transferline.not_applicable import NotApplicableError
from transferline.params.problem_kinds import KINDS
from transferline.report.blocks import Block, Table, Text, Tile, Tiles
from transferline.report.page_pictures import share, stored, tile
from transferline.report.report_inputs import ReportInputs

DOUBTFUL, SAMPLES, NEWEST = 8, 6, 8


def doubtful_labels(inputs: ReportInputs) -> list[Block]:
    """Returns the most doubtful labels, each beside the nearest images."""
    folder = inputs.insight("doubtful_labels")
    found = pd.read_parquet(folder / "doubtful.parquet")
    probable = int(found["confident"].sum())
    text = (
        f"Labels that are probably wrong: {probable:,}; others that may be wrong: {len(found) - probable:,}. "
        "`transferline data doubtful` lists them; look at each image, then correct it with `transferline data relabel`."
    )
    if found.empty:
        return [Text("No label is doubtful.", "good")]
    labels = inputs.insight_table.rows.set_index("path")["label"]
    groups = [
        [
            _doubtful(inputs, row),
            *(_sample(inputs, path, f"nearest: {labels[path] or 'no label'}") for path in row["nearest"]),
        ]
        for row in found.drop_duplicates("path").head(DOUBTFUL).to_dict("records")
    ]
    return [Text(text), Tiles(groups, "The most doubtful labels, each beside the images that are most similar")]


def _doubtful(inputs: ReportInputs, row: dict[Any, Any]) -> Tile:
    given, other = row["label"] or "no label", row["suggested"] or "no label"
    lines = (f"{given} {row['score']:.0%}", f"or {other} {row['probability']:.0%}?")
    return _sample(inputs, str(row["path"]), *lines)


def _sample(inputs: ReportInputs, path: str, *lines: str) -> Tile:
    return tile(inputs.raw / path, f"{path}: {', '.join(lines)}", *lines, Path(path).name)


def weak_slices(inputs: ReportInputs) -> list[Block]:
    """Returns the slices with the strongest evidence that the model is worse there, and samples of mistakes."""
    found = inputs.read_json(inputs.insight("weak_slices") / "slices.json")
    shown = [one for one in found["slices"] if "samples" in one]
    if not shown:
        return [Text("No slice has enough images for a comparison.")]
    rows = [
        [
            f"{one['by']}: {one['slice']}",
            f"{one['images']:,}",
            share(one["accuracy"], one["accuracy_low"], one["accuracy_high"]),
            f"{one['elsewhere']:.3f}",
            f"{one['p']:.2g}",
            "weak" if one["is_weak"] else "not certain",
        ]
        for one in shown
    ]
    weak = sum(one["is_weak"] for one in found["slices"])
    certain = f"{weak} of" if weak else "None of"
    text = (
        f"{certain} {found['tested']} slices of the {found['images']:,} images of validation and test are certainly "
        "weaker than the other images."
    )
    accuracy = "subset accuracy" if KINDS[inputs.selected.metrics["problem"]].several_labels else "accuracy"
    heads = ["slice", "images", accuracy, "of the other images", "p (corrected)", "verdict"]
    samples = [
        [_sample(inputs, path, f"{one['by']}: {one['slice']}") for path in one["samples"][:SAMPLES]]
        for one in shown
        if one["is_weak"] and one["samples"]
    ]
    blocks: list[Block] = [Text(text), Table(heads, rows)]
    return blocks + ([Tiles(samples, "Wrong predictions in the weak slices")] if samples else [])


def more_images(inputs: ReportInputs) -> list[Block]:
    """Returns a sentence for each forecast, and the learning curves."""
    from transferline.insight.learning_curves import sentences

    folder = inputs.insight("learning_curves")
    found = inputs.read_json(folder / "learning_curves.json")
    alt = "Learning curves, overall and of the weakest classes, with forecasts for twice as many images"
    caption = "Orange: the forecast for twice as many images, with its interval."
    lines = [Text(f"{sentence}.") for sentence in sentences(found)]
    return [*lines, *stored(folder / "learning_curves.png", alt, caption)]


def novelty(inputs: ReportInputs) -> list[Block]:
    """Returns the images of the shown split that are least like the training images."""
    measure, table = read_training_distance(inputs.insight("novelty")), inputs.insight_table
    if measure is None or table.features is None:
        raise NotApplicableError("the distance to the training images is not measured")
    places = np.flatnonzero(table.rows["split"] == inputs.split)
    found = measure.novelties(table.features[places])
    beyond = sum(one.is_beyond for one in found)
    limit = f"{beyond:,} of {len(found):,} images of {inputs.split} are beyond the limit and get no label."
    text = limit if np.isfinite(measure.limit) else "There is no limit; `novelty.false_alarms` sets one."
    newest = sorted(range(len(found)), key=lambda number: -found[number].share)[:NEWEST]
    groups = [
        [_sample(inputs, str(table.rows["path"].iloc[places[number]]), f"farther than {found[number].share:.0%}")]
        for number in newest
    ]
    caption = f"The images of {inputs.split} that are least like the training images: the share of the validation "
    return [Text(text), Tiles(groups, f"{caption}images that are nearer.")]
