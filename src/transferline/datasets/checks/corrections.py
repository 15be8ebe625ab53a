"""Applies the corrections to the rows of a dataset. The images themselves never change."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import pandas as pd

from transferline.datasets.checks.correction_file import SHA256, Correction
from transferline.text import first_of

Kind = Literal["relabelled", "left out", "kept out of test"]

KINDS: tuple[Kind, ...] = get_args(Kind)
RELABELLED, LEFT_OUT, KEPT_OUT = KINDS
SHOWN = 3  # paths of files with the same name


@dataclass(frozen=True)
class CorrectedImage:
    """A change that a correction made to an image: its label or split before and after; None for no label."""

    path: str
    change: Kind
    before: str | None
    after: str | None
    who: str
    when: str
    why: str


def match(entries: Sequence[Correction], images: pd.DataFrame) -> tuple[pd.Series, list[Correction]]:
    """Finds the correction of each image. If several corrections match an image, the last one applies.

    Args:
        entries: the corrections, in the order of their file.
        images: columns `path` and `sha256`.

    Returns:
        A correction or None for each of `images`, with their index; and the corrections that match no image.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for column in ("path", "sha256"):
        for place, text in enumerate(images[column]):
            places[text].append(place)
    holding: list[Correction | None] = [None] * len(images)
    for entry in entries:
        for place in places.get(entry.image, []):
            holding[place] = entry
    unmatched = [entry for entry in entries if entry.image not in places]
    return pd.Series(holding, images.index, dtype=object), unmatched


def correct_labels(rows: pd.DataFrame, entry: pd.Series) -> pd.DataFrame:
    """Applies corrections of labels to `rows`, and adds columns.

    The columns are `entry`, the correction of the image or null; `label`, corrected; `label_before`, the label from the
    layout; and `excluded`, whether the image is left out.
    """
    entry = entry.reindex(rows.index)
    corrected = [each.label if isinstance(each, Correction) else None for each in entry]
    label = pd.Series(corrected, rows.index, dtype=object).where(lambda text: text.notna(), rows["label"])
    is_excluded = [isinstance(each, Correction) and each.label is None for each in entry]
    excluded = pd.Series(is_excluded, rows.index, dtype=bool)
    return rows.assign(entry=entry, label=label, label_before=rows["label"], excluded=excluded)


def keep_out_of_test(rows: pd.DataFrame) -> pd.DataFrame:
    """Moves images with `never_test` from test to validation, and adds the column `kept_out_by`.

    `kept_out_by` is the correction that moved the image, or null. Images with the same content, and the groups of all
    of them, move too. They move to validation, so that no image ever moves between train and test.
    """
    by_content = {
        row["sha256"]: row["entry"]
        for row in rows[rows["entry"].notna() & rows["sha256"].notna() & ~rows["excluded"]].to_dict("records")
        if row["entry"].never_test
    }
    marked = rows[rows["sha256"].isin(by_content) & rows["group"].notna()]
    by_group = {group: by_content[image] for group, image in zip(marked["group"], marked["sha256"], strict=True)}
    kept_out = rows["group"].map(by_group).where(rows["split"] == "test")
    return rows.assign(kept_out_by=kept_out, split=rows["split"].mask(kept_out.notna(), "validation"))


def list_changes(rows: pd.DataFrame) -> tuple[CorrectedImage, ...]:
    """Lists the changes by corrections in the order of `rows`, which has the columns of both functions above."""
    changes: list[CorrectedImage] = []
    for row in rows[rows["entry"].notna() | rows["kept_out_by"].notna()].to_dict("records"):
        path, entry, by = row["path"], row["entry"], row["kept_out_by"]
        before = row["label_before"] if pd.notna(row["label_before"]) else None
        if row["excluded"]:
            changes.append(CorrectedImage(path, LEFT_OUT, before, None, entry.who, entry.when, entry.why))
            continue
        if isinstance(entry, Correction) and entry.label != before:
            changes.append(CorrectedImage(path, RELABELLED, before, entry.label, entry.who, entry.when, entry.why))
        if isinstance(by, Correction):
            changes.append(CorrectedImage(path, KEPT_OUT, "test", "validation", by.who, by.when, by.why))
    return tuple(changes)


def count_changes(changes: Sequence[CorrectedImage], unmatched: int) -> dict[str, int]:
    """Counts the changed images by kind of change, and the corrections that match no image."""
    counts = Counter(change.change for change in changes)
    return {**{kind.replace(" ", "_"): counts[kind] for kind in KINDS}, "unmatched": unmatched}


def correction_table(rows: pd.DataFrame, unmatched: Sequence[Correction]) -> pd.DataFrame:
    """Returns the table `corrections` of `rules.py`.

    It has a row for each image with a correction (column `correction`), and a row for each correction that matches no
    image (column `images` is 0). The column `reason` explains both.
    """
    namesakes: dict[str, list[str]] = defaultdict(list)
    for path in rows["path"] if unmatched else ():
        namesakes[_name(path)].append(path)
    images = [
        {
            "path": row["path"],
            "correction": LEFT_OUT if row["excluded"] else "label",
            "reason": f"left out by {row['entry'].source}: {row['entry'].reason}",
        }
        for row in rows[rows["entry"].notna()].to_dict("records")
    ]
    kinds = dict(zip(rows["path"], rows["kind"], strict=True))
    entries = [
        {"path": entry.source, "images": 0, "reason": _why_unmatched(entry.image, kinds, namesakes)}
        for entry in unmatched
    ]
    table = pd.DataFrame([*images, *entries], columns=["path", "correction", "images", "reason"])
    return table.assign(split="").astype({"images": float})


def _why_unmatched(image: str, kinds: dict[str, str], namesakes: dict[str, list[str]]) -> str:
    if SHA256.fullmatch(image):
        return f"no image has the sha256 {image}"
    if kinds.get(image) == "image":
        return f"{image!r} is in none of the dataset's splits and is left out anyway"
    if image in kinds:
        return f"{image!r} is not an image"
    same = namesakes.get(_name(image), [])
    return f"there is no image {image!r}" + (f"; of the same name: {first_of(same, SHOWN)}" if same else "")


def _name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]
