"""The section about the data: what changed, counts, samples, what was left out and what was corrected."""

from pathlib import Path
from typing import Any

import numpy as np

from transferline.datasets.tables import split_labels
from transferline.paths import DATA_DOCS
from transferline.registry.decision_data import SPLITS, data_rows, data_sentences
from transferline.registry.trained_data import TrainedData, trained_data
from transferline.report.blocks import Block, Link, Table, Text, Tile, Tiles
from transferline.report.page_pictures import tile
from transferline.report.report_inputs import ReportInputs

SAMPLES, SAMPLED_CLASSES = 3, 12
PAIRS, OTHERS, LISTED = 6, 6, 20


def data(inputs: ReportInputs) -> list[Block]:
    """Returns counts by class with the difference to the champion's data, samples, quarantined files, corrections."""
    new, old = trained_data(inputs.root, inputs.params.data.dataset), _champion_data(inputs)
    counts = inputs.validation.get("counts", {})
    blocks: list[Block] = [Text(sentence) for sentence in data_sentences(new, old)]
    blocks.append(Table(["class", *SPLITS], [[name, *cells] for name, cells in data_rows(new, old)], "Images by class"))
    blocks += _samples(inputs)
    blocks += _left_out(inputs, counts)
    blocks += _corrections(inputs)
    if (inputs.root / DATA_DOCS).is_file():
        page = DATA_DOCS.relative_to("reports").as_posix()
        blocks.append(Link(page, "Every rule and every faulty file, as pages of Great Expectations"))
    return blocks


def _champion_data(inputs: ReportInputs) -> TrainedData | None:
    """Returns the data of the version that the selected model was compared with."""
    stored = inputs.decision and inputs.decision["data"]["champion"]
    return TrainedData.model_validate(stored) if stored else None


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
    return [Text(f"Findings by rule: {rules}." if rules else ""), Tiles(groups, f"{number:,} quarantined files{more}")]


def _finding(inputs: ReportInputs, path: str, why: str) -> Tile:
    return tile(inputs.raw / path, f"{why}: {path}", why.replace("_", " "), Path(path).name)


def _corrections(inputs: ReportInputs) -> list[Block]:
    changes = inputs.validation.get("corrections", ())
    if not changes:
        return [Text("No label was corrected.")]
    rows = [[str(one.get(key) or "–") for key in ("path", "change", "from", "to", "why")] for one in changes[:LISTED]]
    more = f"; the first {LISTED} of {len(changes):,}" if len(changes) > LISTED else ""
    return [Table(["image", "change", "from", "to", "reason"], rows, f"Corrections{more}")]
