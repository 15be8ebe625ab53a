"""The counts of a validation, and the reasons why a dataset must not be trained on."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pandas as pd

from transferline.datasets.checks.expectations import Finding
from transferline.datasets.checks.mask_scan import VOID_PIXELS, count_pixels
from transferline.datasets.checks.rules import RULES
from transferline.params import Data, Validate
from transferline.params.problem_kinds import KINDS


def quarantined(findings: Iterable[Finding]) -> set[str]:
    """Returns the paths that rules and corrections leave out."""
    return {finding.path for finding in findings if finding.severity == "quarantine"}


def _faulty(findings: list[Finding]) -> set[str]:
    """Returns the images that rules leave out, without those that corrections leave out."""
    return quarantined([finding for finding in findings if finding.rule != "excluded"])


def count_files(rows: pd.DataFrame, findings: list[Finding], per_class: pd.DataFrame, data: Data) -> dict[str, Any]:
    """Counts the files and images by result of the validation, for `validation.json`."""
    kinds, kind = rows["kind"].value_counts(), KINDS[data.problem]
    pixels = {"pixels": count_pixels(rows, data.masks)} if data.masks else {}
    return {
        "files": len(rows),
        "hidden": int(kinds.get("hidden", 0)),
        "not_images": int(kinds.get("other", 0)),
        "images": int(kinds.get("image", 0)),
        "kept": int(rows["kept"].sum()),
        "quarantined": len(_faulty(findings)),
        "without_group": int((rows["group"] == rows["sha256"]).sum()) if data.split.group else 0,
        "without_label": int((rows["kept"] & (rows["label"] == "")).sum()) if kind.several_labels else None,
        "rules": dict(sorted(Counter(finding.rule for finding in findings).items())),
        "classes": {str(name): {str(split): int(n) for split, n in row.items()} for name, row in per_class.iterrows()},
        **pixels,
    }


def reasons_against_training(
    rows: pd.DataFrame, findings: list[Finding], per_class: pd.DataFrame, data: Data, validate: Validate
) -> tuple[str, ...]:
    """Returns the reasons why the dataset must not be trained on, in sentences; none if it can be used."""
    if not rows["kept"].any():
        return ("there are no images that can be used",)
    reasons = []
    classes = list(map(str, per_class.index))
    images = ((rows["kind"] == "image") & ~rows["excluded"]).sum()
    faulty = len(_faulty([finding for finding in findings if RULES[finding.rule].is_fault]))
    if any(finding.severity == "fail" for finding in findings):
        reasons.append("rules with severity fail are broken")
    if faulty > validate.max_quarantined * images:
        share = f"{faulty} of {images} images ({faulty / images:.1%})"
        reasons.append(f"{share} are faulty; validate.max_quarantined allows {validate.max_quarantined:.1%}")
    if len(classes) < 2:
        there = f"is only one class, {classes[0]}" if classes else "are no labels"
        reasons.append(f"there {there}; a classifier needs at least two classes")
    most = KINDS[data.problem].classes
    if most and len(classes) > most:
        reasons.append(f"data.problem is {data.problem}, but there are {len(classes)} classes: {', '.join(classes)}")
    if not (rows["kept"] & (rows["split"] == "train")).any():
        way = "lower data.split" if rows["given"].isna().all() else "put some into the dataset's split train"
        reasons.append(f"train has no image that can be used: add images, or {way}")
    elif missing := list(map(str, per_class.index[per_class["train"] == 0])):
        reasons.append(f"train has no usable image of {', '.join(missing)}{_values_of_masks(rows, data)}")
    if not (rows["kept"] & (rows["split"] == "validation")).any():
        unit = "groups" if data.split.group else "images"
        way = f"raise data.split.validation, or add {unit}"
        reasons.append(f"validation has no image that can be used, so nothing can be chosen on it: {way}")
    return tuple(reasons)


def _values_of_masks(rows: pd.DataFrame, data: Data) -> str:
    """Returns a hint for segmentation: the values of the classes that were looked for in the masks, and void."""
    if data.masks is None:
        return ""
    pixels = count_pixels(rows, data.masks)
    share = f" ({100 * pixels[VOID_PIXELS] / max(sum(pixels.values()), 1):.0f} % of the pixels)"
    values = ", ".join(str(list(value) if isinstance(value, tuple) else value) for value in data.masks.value_of_class)
    return (
        f": its classes have the values {values} in the masks, void is {data.masks.void}{share}; data.masks.values can "
        "give the classes other values"
    )
