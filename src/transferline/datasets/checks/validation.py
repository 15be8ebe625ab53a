"""Validates a dataset: looks at every file, deals the splits, and has Great Expectations judge the tables."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, get_args

import pandas as pd

from transferline.datasets.checks.duplicates import exact_duplicates, near_duplicates
from transferline.datasets.checks.expectations import (
    NO_TEST_SET,
    Finding,
    Judge,
    class_expectations,
    duplicate_expectations,
    file_expectations,
    history_expectations,
    mask_expectations,
)
from transferline.datasets.checks.scan import FORMAT_OF_SUFFIX, scan
from transferline.datasets.layouts.listing import HIDDEN, Listing, list_dataset
from transferline.datasets.masks import count_pixels, scan_masks
from transferline.datasets.splits import group_images, is_ours, split_images
from transferline.datasets.tables import ImageTable, natural, split_labels
from transferline.params import Compute, Data, Split, Validate

SPLITS: tuple[Split, ...] = get_args(Split)
REDUNDANT = ("duplicate", "split_duplicate", "near_duplicate", "former_test_image")


@dataclass(frozen=True)
class Validation:
    """What is known about a dataset.

    Attributes:
        table: the manifest: a row per file in natural order of the paths, with the columns of `scan`, and `label`,
            `group`, `split` (null where there is none) and `kept`, whether it may be trained and evaluated on; of a
            segmentation problem also `mask`, the path, and `label` holds the names of all classes in it.
        findings: in natural order of the paths.
        counts: of files, of images and of what became of them.
        reasons: why the dataset must not be trained on; none if it may.
        results: what Great Expectations returned, one for each of its suites.
    """

    table: ImageTable
    findings: tuple[Finding, ...]
    counts: dict[str, Any]
    reasons: tuple[str, ...]
    results: list[Any]


def validate_dataset(
    raw: Path,
    data: Data,
    validate: Validate,
    former_test_images: dict[str, str] | None = None,
    compute: Compute | None = None,
) -> Validation:
    """Looks at all files in the folder `raw`, and changes none.

    Args:
        raw: the dataset.
        data: its layout and splits.
        validate: the rules.
        former_test_images: see the function of that name.
        compute: where the files are read; here if left out.

    Raises:
        TransferlineError: there is no such folder, or it does not fit the layout. Any other fault is a finding.
    """
    listing, judge = list_dataset(raw, data.layout), Judge()
    rows = scan(raw, list(listing.files["path"]), compute).merge(listing.files, on="path")
    rows["suffix"] = [PurePosixPath(path).suffix.lower() for path in rows["path"]]
    rows["kind"] = [_kind(*row) for row in rows[["path", "suffix", "format", "error"]].itertuples(index=False)]
    if data.masks:
        rows["mask"] = rows["mask"].where(rows["kind"] == "image")
        rows[["label", "mask_error", "pixels"]] = scan_masks(raw, rows, data.masks)
    rows["group"], rows["split"] = _groups_and_splits(rows, data)

    findings = judge.judge("files", _facts(rows), file_expectations(validate))
    if data.masks:
        findings += judge.judge("masks", _facts(rows[rows["mask"].notna()]), mask_expectations(validate))
    usable = rows["split"].notna() & rows["luminance_std"].notna() & ~rows["path"].isin(_quarantined(findings))
    relations = _relations(rows[usable], validate)
    findings += judge.judge("duplicates", relations, duplicate_expectations(validate))
    rows["kept"] = usable & ~rows["path"].isin(_quarantined(findings))
    history = _history(rows[rows["kept"] & (rows["split"] == "train")], former_test_images or {})
    findings += judge.judge("history", history, history_expectations(validate))
    rows["kept"] &= ~rows["path"].isin(_quarantined(findings))
    labelled = _labelled(rows[rows["kind"] == "image"], data)
    classes = data.masks.classes if data.masks else tuple(sorted(labelled["label"].unique(), key=natural))
    per_class = _count_classes(labelled, classes)
    table = _class_table(rows, labelled, per_class, listing, data)
    findings += judge.judge("classes", table, class_expectations(validate))

    findings = sorted(
        _merge_hidden(findings), key=lambda finding: (natural(finding.path), finding.rule, finding.detail)
    )
    counts = _count(rows, findings, per_class, data)
    reasons = _reasons(rows, findings, per_class, data, validate)
    inner = ["given", "suffix", "kind", "mask_error", "pixels"]
    manifest = ImageTable(rows.drop(columns=inner, errors="ignore"), classes)
    return Validation(manifest, tuple(dict.fromkeys(findings)), counts, reasons, judge.results)


def _kind(path: str, suffix: str, format_: Any, error: Any) -> str:
    """image: by its content or its suffix, or nobody can tell; other: a file that does not claim to be one; hidden."""
    if HIDDEN.search(path):
        return "hidden"
    is_image = suffix in FORMAT_OF_SUFFIX or pd.notna(format_) or str(error).startswith("unreadable:")
    return "image" if is_image else "other"


def _groups_and_splits(rows: pd.DataFrame, data: Data) -> tuple[pd.Series, pd.Series]:
    images = rows[(rows["kind"] == "image") & rows["label"].notna() & rows["sha256"].notna()].copy()
    images["group"] = group_images(images, data.split.group)
    return images["group"].reindex(rows.index), split_images(images, data.split, data.problem).reindex(rows.index)


def _facts(rows: pd.DataFrame) -> pd.DataFrame:
    if "mask_error" in rows:
        reasons = [str(error).partition(": ")[2] for error in rows["mask_error"]]
        rows = rows.drop(columns="pixels").assign(mask_reason=reasons)
    return rows.assign(
        split=rows["split"].fillna(""),
        reason=[str(error).partition(": ")[2] for error in rows["error"]],
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


def _quarantined(findings: list[Finding]) -> set[str]:
    return {finding.path for finding in findings if finding.severity == "quarantine"}


def _labelled(images: pd.DataFrame, data: Data) -> pd.DataFrame:
    """The images that have a label; one with several labels, or classes in its mask, has a row for each."""
    if data.problem in ("multilabel", "segmentation"):
        images = images.assign(label=images["label"].map(split_labels, na_action="ignore")).explode("label")
    return images.dropna(subset="label")


def _count_classes(labelled: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """Kept images: a row per class, a column per split."""
    kept = labelled[labelled["kept"]]
    counts = pd.crosstab(kept["label"], kept["split"])
    return counts.reindex(index=pd.Index(classes), columns=pd.Index(SPLITS), fill_value=0)


def _class_table(
    rows: pd.DataFrame, labelled: pd.DataFrame, per_class: pd.DataFrame, listing: Listing, data: Data
) -> pd.DataFrame:
    unused = ["test"] if rows["given"].isna().all() and data.split.test == 0 else []
    used = per_class.drop(columns=unused)
    largest = used["train"].max()
    table = [
        {
            "path": name,
            "split": split,
            "images": images,
            "ratio": largest / images if split == "train" and images else None,
        }
        for name, counts in used.iterrows()
        for split, images in counts.items()
    ]
    images = rows.loc[rows["kind"] == "image", "path"]
    folders = [
        {"path": folder, "split": "", "files": int(images.str.startswith(f"{folder}/").sum())}
        for folder in listing.folders
    ]
    declared = [
        {"path": name, "split": "", "files": int((labelled["label"] == name).sum())} for name in listing.classes
    ]
    return pd.DataFrame([*table, *folders, *declared], columns=["path", "split", "images", "ratio", "files"])


def _merge_hidden(findings: list[Finding]) -> list[Finding]:
    """One finding for all files of a hidden folder."""
    hidden = [finding for finding in findings if finding.rule == "hidden"]
    roots = Counter(_hidden_root(finding.path) for finding in hidden)
    merged = [replace(hidden[0], path=root, detail=f"hidden, {count} file(s) ignored") for root, count in roots.items()]
    return [finding for finding in findings if finding.rule != "hidden"] + merged


def _hidden_root(path: str) -> str:
    match = HIDDEN.search(path)
    end = path.find("/", match.start() + 1) if match else -1
    return path if end < 0 else path[:end]


def _count(rows: pd.DataFrame, findings: list[Finding], per_class: pd.DataFrame, data: Data) -> dict[str, Any]:
    kinds = rows["kind"].value_counts()
    pixels = {"pixels": count_pixels(rows, data.masks)} if data.masks else {}
    return {
        "files": len(rows),
        "hidden": int(kinds.get("hidden", 0)),
        "not_images": int(kinds.get("other", 0)),
        "images": int(kinds.get("image", 0)),
        "kept": int(rows["kept"].sum()),
        "quarantined": len(_quarantined(findings)),
        "without_group": int((rows["group"] == rows["sha256"]).sum()) if data.split.group else 0,
        "without_label": int((rows["kept"] & (rows["label"] == "")).sum()) if data.problem == "multilabel" else None,
        "rules": dict(sorted(Counter(finding.rule for finding in findings).items())),
        "classes": {str(name): {str(split): int(n) for split, n in row.items()} for name, row in per_class.iterrows()},
        **pixels,
    }


def _reasons(
    rows: pd.DataFrame, findings: list[Finding], per_class: pd.DataFrame, data: Data, validate: Validate
) -> tuple[str, ...]:
    if not rows["kept"].any():
        return ("there are no images that could be used",)
    reasons = []
    classes = list(map(str, per_class.index))
    images = (rows["kind"] == "image").sum()
    faulty = len(_quarantined([finding for finding in findings if finding.rule not in (*REDUNDANT, "not_an_image")]))
    if any(finding.severity == "fail" for finding in findings):
        reasons.append("rules with severity fail are broken")
    if faulty > validate.max_quarantined * images:
        share = f"{faulty} of {images} images ({faulty / images:.1%})"
        reasons.append(f"{share} are faulty; validate.max_quarantined allows {validate.max_quarantined:.1%}")
    if len(classes) < 2:
        there = f"is one class only, {classes[0]}" if classes else "are no labels"
        reasons.append(f"there {there}; a classifier needs two classes at least")
    if data.problem == "binary" and len(classes) > 2:
        reasons.append(f"data.problem is binary, but there are {len(classes)} classes: {', '.join(classes)}")
    if missing := list(map(str, per_class.index[per_class["train"] == 0])):
        reasons.append(f"train has no usable image of {', '.join(missing)}")
    return tuple(reasons)
