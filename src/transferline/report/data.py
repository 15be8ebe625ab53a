"""The section about the data: what changed, counts, samples, what was left out and what was corrected."""

from pathlib import Path
from typing import Any, get_args

import numpy as np

from transferline.datasets.tables import split_labels
from transferline.params import Split
from transferline.paths import DATA_DOCS
from transferline.registry.trained_data import TrainedData, trained_data
from transferline.report.blocks import Block, Link, Table, Text, Tile, Tiles
from transferline.report.page_pictures import tile
from transferline.report.report_inputs import ReportInputs

SPLITS: tuple[Split, ...] = get_args(Split)
SAMPLES, SAMPLED_CLASSES = 3, 12
PAIRS, OTHERS, LISTED = 6, 6, 20


def data(inputs: ReportInputs) -> list[Block]:
    """Returns counts by class with the difference to the champion's data, samples, quarantined files, corrections."""
    new, old, former = _compared_data(inputs)
    counts = inputs.validation.get("counts", {})
    blocks: list[Block] = [Text(sentence) for sentence in _sentences(new, old, former)]
    blocks.append(Table(["class", *SPLITS], [[name, *cells] for name, cells in _rows(new, old)], "Images by class"))
    blocks += _samples(inputs)
    blocks += _left_out(inputs, counts)
    blocks += _corrections(inputs)
    if (inputs.root / DATA_DOCS).is_file():
        page = DATA_DOCS.relative_to("reports").as_posix()
        blocks.append(
            Link(page, "In the project's folder: every rule and every faulty file, as pages of Great Expectations")
        )
    return blocks


def _compared_data(inputs: ReportInputs) -> tuple[TrainedData, TrainedData | None, str]:
    """Returns the data of the selected model, of the version that it was compared with, and that version's name."""
    decision = inputs.decision
    if decision is None:
        return trained_data(inputs.root, inputs.params.data.dataset), None, ""
    new, old = (decision["data"][role] and TrainedData(**decision["data"][role]) for role in ("challenger", "champion"))
    return new, old, f"version {decision['champion']['version']}" if "champion" in decision else "the champion"


def _sentences(new: TrainedData, old: TrainedData | None, former: str) -> list[str]:
    """Returns sentences about the known training data of each model, and one that explains the table of `_rows`."""
    sentences = []
    for who, data in (("the model", new), (former, old)):
        if data:
            revisions = f"revision {data.data_revision or 'unknown'}"
            revisions += f", corrections {data.corrections_revision}" if data.corrections_revision else ""
            trained = f"was trained on {data.dataset}, {revisions}: {data.images:,} images."
            sentences.append(f"{who.capitalize()} {trained}")
    return [*sentences, f"In brackets: the difference to the data of {former}."] if old else sentences


def _rows(new: TrainedData, old: TrainedData | None) -> list[tuple[str, list[str]]]:
    """Returns each class with its number of images in each split, and the difference to the old data."""
    names = [*new.classes, *(name for name in (old.classes if old else {}) if name not in new.classes)]

    def cell(name: str, split: str) -> str:
        count = new.classes.get(name, {}).get(split, 0)
        more = count - old.classes.get(name, {}).get(split, 0) if old else 0
        return f"{count} ({more:+})" if more else str(count)

    return [(name, [cell(name, split) for split in SPLITS]) for name in names]


def _samples(inputs: ReportInputs) -> list[Block]:
    rows = inputs.manifest.rows[inputs.manifest.rows["kept"].astype(bool)]
    labels = [set(split_labels(label)) | {label} for label in rows["label"]]
    groups: list[list[Tile]] = []
    for name in inputs.manifest.classes[:SAMPLED_CLASSES]:
        paths = [path for path, own in zip(rows["path"], labels, strict=True) if name in own]
        places = np.linspace(0, len(paths) - 1, min(SAMPLES, len(paths))).round().astype(int)
        groups.append([tile(inputs.raw / paths[place], f"A sample of {name}", name) for place in places])
    more = len(inputs.manifest.classes) - SAMPLED_CLASSES
    caption = f"Samples of the first {SAMPLED_CLASSES} classes; {more} more" if more > 0 else "Samples of each class"
    return [Tiles([group for group in groups if group], caption)]


def _left_out(inputs: ReportInputs, counts: dict[str, Any]) -> list[Block]:
    """Returns the quarantined files; a duplicate is beside the image that it equals."""
    findings = [one for one in inputs.validation.get("findings", ()) if one["severity"] == "quarantine"]
    if not findings:
        return [Text("No file was quarantined.")]
    number = len({one["path"] for one in findings})
    rules = ", ".join(f"{rule} {count:,}" for rule, count in counts.get("rules", {}).items() if count)
    pairs = [one for one in findings if one.get("of")]
    others = [one for one in findings if not one.get("of")]
    groups = [
        [
            _finding(inputs, one["path"], one["rule"]),
            _finding(inputs, one["of"], "the other image"),
        ]
        for one in pairs[:PAIRS]
    ]
    groups += [[_finding(inputs, one["path"], one["rule"])] for one in others[:OTHERS]]
    more = f"; {len(groups)} findings are shown" if len(findings) > len(groups) else ""
    return [Text(f"Findings by rule: {rules}." if rules else ""), Tiles(groups, f"Quarantined files: {number:,}{more}")]


def _finding(inputs: ReportInputs, path: str, why: str) -> Tile:
    return tile(inputs.raw / path, f"{why}: {path}", why.replace("_", " "), Path(path).name)


def _corrections(inputs: ReportInputs) -> list[Block]:
    changes = inputs.validation.get("corrections", ())
    if not changes:
        return [Text("No label was corrected.")]
    rows = [[str(one.get(key) or "–") for key in ("path", "change", "from", "to", "why")] for one in changes[:LISTED]]
    more = f"; the first {LISTED} of {len(changes):,}" if len(changes) > LISTED else ""
    return [Table(["image", "change", "from", "to", "reason"], rows, f"Corrections{more}")]
