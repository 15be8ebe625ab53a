"""Validates a dataset: reads every file, splits the images, and checks the tables with Great Expectations."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from transferline.datasets.checks.class_counts import images_by_class_and_split, labelled_images, rows_to_judge
from transferline.datasets.checks.correction_file import read_corrections
from transferline.datasets.checks.corrections import (
    CorrectedImage,
    correct_labels,
    correction_table,
    count_changes,
    keep_out_of_test,
    list_changes,
    match,
)
from transferline.datasets.checks.duplicates import exact_duplicates, near_duplicates
from transferline.datasets.checks.expectations import Finding
from transferline.datasets.checks.judge import Judge
from transferline.datasets.checks.mask_scan import scan_masks
from transferline.datasets.checks.reasons import count_files, quarantined, reasons_against_training
from transferline.datasets.checks.remedies import remedies
from transferline.datasets.checks.rules import NO_TEST_SET
from transferline.datasets.checks.scan import scan
from transferline.datasets.file_formats import FORMAT_OF_SUFFIX
from transferline.datasets.file_names import HIDDEN, is_hidden
from transferline.datasets.layouts.layout_table import list_dataset
from transferline.datasets.layouts.listing import Listing
from transferline.datasets.splits import group_images, is_ours, split_images
from transferline.datasets.tables import ImageTable, natural
from transferline.params import Compute, Data, Validate

INNER = (
    *("given", "suffix", "kind", "mask_error", "pixels"),
    *("entry", "label_before", "excluded", "kept_out_by"),
)


@dataclass(frozen=True)
class Validation:
    """The result of a validation.

    Attributes:
        table: the manifest, a row per file in natural order of the paths. Columns: those of `scan`, `label`, `group`,
            `split` (null without a split) and `kept`, whether the image is used for training and evaluation. For
            segmentation also `mask`, the path of the mask; `label` then holds the names of all classes in the mask.
        findings: the broken rules, in natural order of the paths.
        counts: the numbers of files and images, see `count_files`.
        reasons: the reasons why the dataset must not be trained on; none if it can be used.
        corrections: the changes by corrections, in natural order of the paths.
        results: the results of Great Expectations, one for each suite.
    """

    table: ImageTable
    findings: tuple[Finding, ...]
    counts: dict[str, Any]
    reasons: tuple[str, ...]
    corrections: tuple[CorrectedImage, ...]
    results: list[Any]


def validate_dataset(
    raw: Path,
    data: Data,
    validate: Validate,
    former_test_images: dict[str, str] | None = None,
    compute: Compute | None = None,
    corrections: Path | None = None,
) -> Validation:
    """Validates all files in the folder `raw`. It changes no file.

    Args:
        raw: the dataset's folder.
        data: the layout and splits of the dataset.
        validate: the rules.
        former_test_images: see the function `tested_images.former_test_images`.
        compute: where the files are read; None reads them on this machine.
        corrections: the file with the dataset's corrections; it may be missing.

    Raises:
        TransferlineError: the folder is missing or does not fit the layout, or the corrections are wrong. All other
            faults are findings.
    """
    listing, judge = list_dataset(raw, data.layout), Judge(validate)
    entries = read_corrections(corrections, listing, data.layout) if corrections else []
    rows = _read_files(raw, listing, data, validate, compute)
    matching, unmatched = match(entries, rows[_can_be_corrected(rows)])
    rows = correct_labels(rows, matching)
    rows["group"], rows["split"] = _groups_and_splits(rows, data)
    rows = keep_out_of_test(rows)

    findings = judge.judge("corrections", correction_table(rows, unmatched))
    findings += _judge_files(judge, rows[~rows["excluded"]], data)
    usable = rows["split"].notna() & rows["luminance_std"].notna() & ~rows["path"].isin(quarantined(findings))
    rows["tested"] = (rows["split"] == "validation") & rows["sha256"].isin(former_test_images or {})
    findings += _judge_among_others(judge, rows[usable], validate, former_test_images or {})
    rows["kept"] = usable & ~rows["path"].isin(quarantined(findings))
    labelled = labelled_images(rows[(rows["kind"] == "image") & ~rows["excluded"]], data)
    classes = data.masks.classes if data.masks else tuple(sorted(labelled["label"].unique(), key=natural))
    per_class = images_by_class_and_split(labelled, classes)
    advice = remedies(rows, per_class, data, validate.min_images)
    findings += judge.judge("classes", rows_to_judge(labelled, per_class, advice, listing, data))

    findings = sorted(
        _merge_hidden(findings), key=lambda finding: (natural(finding.path), finding.rule, finding.detail)
    )
    changes = list_changes(rows)
    counts = {**count_files(rows, findings, per_class, data), "corrections": count_changes(changes, len(unmatched))}
    reasons = reasons_against_training(rows, findings, per_class, data, validate)
    manifest = ImageTable(rows.drop(columns=list(INNER), errors="ignore"), classes)
    return Validation(manifest, tuple(dict.fromkeys(findings)), counts, reasons, changes, judge.results)


def _read_files(raw: Path, listing: Listing, data: Data, validate: Validate, compute: Compute | None) -> pd.DataFrame:
    """Returns a row per file with its properties and, for segmentation, those of its mask."""
    found = scan(raw, list(listing.files["path"]), compute, validate.max_pixels)
    rows = found.merge(listing.files, on="path")
    rows["suffix"] = [PurePosixPath(path).suffix.lower() for path in rows["path"]]
    rows["kind"] = [_kind(*row) for row in rows[["path", "suffix", "format", "error"]].itertuples(index=False)]
    if data.masks:
        rows["mask"] = rows["mask"].where(rows["kind"] == "image")
        rows[["label", "mask_error", "pixels", "mask_values"]] = scan_masks(raw, rows, data.masks)
    return rows


def _kind(path: str, suffix: str, format_: Any, error: Any) -> str:
    """Returns the kind of a file: hidden, image (by its content or suffix, or if it cannot be read) or other."""
    if is_hidden(path):
        return "hidden"
    is_image = suffix in FORMAT_OF_SUFFIX or pd.notna(format_) or str(error).startswith(("unreadable:", "format:"))
    return "image" if is_image else "other"


def _can_be_corrected(rows: pd.DataFrame) -> pd.Series:
    """Returns which files can be corrected: images; if the dataset defines splits, only images with a split.

    An image without a split would stay out, also with a corrected label.
    """
    is_image = rows["kind"] == "image"
    return is_image if rows["given"].isna().all() else is_image & rows["given"].notna()


def _groups_and_splits(rows: pd.DataFrame, data: Data) -> tuple[pd.Series, pd.Series]:
    images = rows[(rows["kind"] == "image") & rows["label"].notna() & rows["sha256"].notna()].copy()
    images["group"] = group_images(images, data.split.group)
    return images["group"].reindex(rows.index), split_images(images, data.split).reindex(rows.index)


def _judge_files(judge: Judge, rows: pd.DataFrame, data: Data) -> list[Finding]:
    """Checks each file and its mask, independently of other files."""
    findings = judge.judge("files", _facts(rows))
    if data.masks:
        findings += judge.judge("masks", _facts(rows[rows["mask"].notna()]))
    return findings


def _judge_among_others(
    judge: Judge, images: pd.DataFrame, validate: Validate, former_test_images: dict[str, str]
) -> list[Finding]:
    """Compares the images with each other, and the remaining images of train with former test images."""
    findings = judge.judge("duplicates", _relations(images, validate))
    train = images[(images["split"] == "train") & ~images["path"].isin(quarantined(findings))]
    return findings + judge.judge("history", _history(train, former_test_images))


def _facts(rows: pd.DataFrame) -> pd.DataFrame:
    if "mask_error" in rows:
        reasons = [str(error).partition(": ")[2] for error in rows["mask_error"]]
        rows = rows.drop(columns="pixels").assign(mask_reason=reasons)
    return rows.assign(
        split=rows["split"].fillna(""),
        reason=[str(error).partition(": ")[2] or "not an image, ignored" for error in rows["error"]],
        suffix_format=[FORMAT_OF_SUFFIX.get(suffix, "") for suffix in rows["suffix"]],
    )


def _relations(images: pd.DataFrame, validate: Validate) -> pd.DataFrame:
    exact = exact_duplicates(images)
    single = exact["conflicts_with"].isna() & exact["split_duplicate_of"].isna()
    looks = images[single & (images["luminance_std"] >= validate.blank_std)]  # blank images all look alike
    given = images["given"]
    near = near_duplicates(looks, validate.near_duplicate_bits, lambda low, high: is_ours(given, low, high))
    return images.join(exact).join(near)


def _history(images: pd.DataFrame, former_test_images: dict[str, str]) -> pd.DataFrame:
    return images.assign(former_test_set=[former_test_images.get(image, NO_TEST_SET) for image in images["sha256"]])


def _merge_hidden(findings: list[Finding]) -> list[Finding]:
    """Replaces the findings of all files in a hidden folder by one finding."""
    hidden = [finding for finding in findings if finding.rule == "hidden"]
    roots = Counter(_hidden_root(finding.path) for finding in hidden)
    merged = [replace(hidden[0], path=root, detail=f"hidden, {count} file(s) ignored") for root, count in roots.items()]
    return [finding for finding in findings if finding.rule != "hidden"] + merged


def _hidden_root(path: str) -> str:
    match = HIDDEN.search(path)
    return path[: match.end()] if match else path
