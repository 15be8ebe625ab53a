"""Reports the result of a validation: as a file, a contact sheet, lines on the console and an error."""

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from transferline.atomic_files import write_json
from transferline.datasets.checks.corrections import LEFT_OUT, CorrectedImage
from transferline.datasets.checks.expectations import Finding
from transferline.datasets.checks.validation import Validation
from transferline.datasets.contact_sheet import LETTERS, Tile, contact_sheet, empty_tile
from transferline.errors import TransferlineError
from transferline.plots import BLUE, ORANGE

NAMED = 10
TILES, COLUMNS, REASON_LINES = 120, 8, 3


def write_report(validation: Validation, path: Path) -> None:
    """Writes a JSON file: whether the dataset can be trained on, why not, the counts, findings and corrections."""
    findings = [
        {key: value for key, value in asdict(finding).items() if value is not None} for finding in validation.findings
    ]
    report = {
        "success": not validation.reasons,
        "reasons": validation.reasons,
        "counts": validation.counts,
        "findings": findings,
        "corrections": [_as_json(change) for change in validation.corrections],
    }
    write_json(path, report)


def _as_json(change: CorrectedImage) -> dict[str, str | None]:
    names = {"before": "from", "after": "to"}
    return {names.get(key, key): value for key, value in asdict(change).items()}


def draw_quarantined(validation: Validation, raw: Path, path: Path) -> None:
    """Draws the files that were left out as a PNG, with the broken rules or the reason of the correction.

    A duplicate comes first, beside the image that it equals or looks like.
    """
    broken: dict[str, list[Finding]] = {}
    for finding in validation.findings:
        if finding.severity == "quarantine":
            broken.setdefault(finding.path, []).append(finding)
    rows = validation.table.rows
    files = {file: raw / file for file in rows.loc[rows["luminance_mean"].notna(), "path"]}
    why = {change.path: _wrapped(change.why) for change in validation.corrections if change.change == LEFT_OUT}
    pairs, singles = list[Tile](), list[Tile]()
    for file, findings in broken.items():
        rules = ", ".join(finding.rule for finding in findings)
        shown = Tile(files.get(file), f"{rules}{why.get(file, '')}\n{Path(file).name}", ORANGE)
        if other := next((finding.of for finding in findings if finding.of), None):
            pairs += [shown, Tile(files.get(other), f"the other of the pair\n{Path(other).name}", BLUE)]
        else:
            singles.append(shown)
    tiles = [*pairs, *([empty_tile()] * (-len(pairs) % COLUMNS) if singles else []), *singles]
    rest = [Tile(None, "more are in\nvalidation.json")] if len(tiles) > TILES else []
    count = f"{len(broken):,} file{'s' if len(broken) != 1 else ''} left out" if broken else "No file was left out"
    beside = "\nduplicates (orange) come first, each beside the other image of the pair (blue)" if pairs else ""
    contact_sheet([*tiles[:TILES], *rest], path, COLUMNS, f"{raw.name}: {count}{beside}")


def _wrapped(reason: str) -> str:
    """Returns a reason as lines of a caption, with a line break before it."""
    return "".join(f"\n{line}" for line in textwrap.wrap(reason, LETTERS, max_lines=REASON_LINES, placeholder="…"))


def summarize(validation: Validation) -> str:
    """Returns the counts and warnings of a validation as lines for the console."""
    counts = validation.counts
    bare = f"{counts['without_label']} images have none of the labels; an image counts below for each of its labels"
    alone = f"{counts['without_group']} images do not match data.split.group; each is a group of its own"
    lines = [
        f"{counts['files']} files: {counts['images']} images, {counts['not_images']} others, {counts['hidden']} hidden",
        f"{counts['kept']} images kept, {counts['quarantined']} quarantined",
        *([_corrected(counts["corrections"])] if any(counts["corrections"].values()) else []),
        *([alone] if counts["without_group"] else []),
        *([bare] if counts["without_label"] is not None else []),
        *(f"  {rule}: {count}" for rule, count in counts["rules"].items()),
        *_unmatched(validation.findings),
        _per_class(counts).to_string(),
    ]
    return "\n".join(lines)


def _corrected(counts: dict[str, int]) -> str:
    return (
        f"corrections: {counts['relabelled']} relabelled, {counts['left_out']} left out, "
        f"{counts['kept_out_of_test']} kept out of test, {counts['unmatched']} match no image"
    )


def _unmatched(findings: Sequence[Finding]) -> list[str]:
    """Returns a warning for each correction that matches no image. If this is an error, the error names them."""
    found = [finding for finding in findings if (finding.rule, finding.severity) == ("unmatched_correction", "warn")]
    more = [f"  and {len(found) - NAMED} more"] if len(found) > NAMED else []
    return [f"  warning: {finding.path}: {finding.detail}" for finding in found[:NAMED]] + more


def _per_class(counts: dict[str, Any]) -> pd.DataFrame:
    """Returns the images by class and split, and for segmentation each class's share of the pixels."""
    table = pd.DataFrame(counts["classes"]).T.astype(str)
    if pixels := counts.get("pixels"):
        shares = pd.Series(pixels) / max(sum(pixels.values()), 1)
        table = pd.concat([table, shares.map("{:.2%}".format).rename("pixels")], axis=1).fillna("")
    return table


def stop_if_failed(validation: Validation, raw: Path, report: Path) -> None:
    """Checks that the dataset can be trained on.

    Raises:
        TransferlineError: it must not be trained on. The message names the reasons, the worst findings and the file
            with all findings.
    """
    if not validation.reasons:
        return
    worst = sorted(validation.findings, key=lambda finding: ("fail", "quarantine", "warn").index(finding.severity))
    lines = [f"{raw} must not be trained on:", *validation.reasons]
    lines += [_line(finding) for finding in worst[:NAMED]]
    rest = f"{len(worst) - NAMED} more findings in {report}" if len(worst) > NAMED else f"see {report}"
    raise TransferlineError("\n  ".join([*lines, rest]))


def _line(finding: Finding) -> str:
    return f"{finding.path}: {finding.detail} ({finding.rule}, {finding.severity})"
