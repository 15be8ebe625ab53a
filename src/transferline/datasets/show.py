"""Summarizes a dataset before training: `transferline data show`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from transferline.datasets.checks.correction_file import read_corrections
from transferline.datasets.checks.corrections import correct_labels, match
from transferline.datasets.checks.mask_scan import scan_masks
from transferline.datasets.checks.scan import scan
from transferline.datasets.file_names import is_hidden, is_image
from transferline.datasets.layout_proposal import describe_reasons, inspect_folder
from transferline.datasets.layouts.layout_table import list_dataset
from transferline.datasets.tables import natural, split_labels
from transferline.errors import TransferlineError
from transferline.params import MAX_PIXELS, Data, Layout, Masks
from transferline.params.layouts import gives_several_labels, has_masks
from transferline.text import first_of

NAMED = 5


@dataclass(frozen=True)
class Look:
    """The content of a dataset.

    Attributes:
        images: a row for each readable image with a label. Columns: path, labels (a tuple of names), given (the split
            that the dataset defines, or ""), width, height, luminance_mean (0 to 255), and for masks also mask, a path.
        classes: names of all classes in natural order, also of classes without images.
        unreadable: paths of image files that cannot be read.
        unlabelled: the number of readable images without a label.
        others: the number of files that are not images.
        hidden: the number of hidden files.
        relabelled: the number of images whose label was corrected.
        left_out: the number of readable images that a correction leaves out.
    """

    images: pd.DataFrame
    classes: tuple[str, ...]
    unreadable: tuple[str, ...]
    unlabelled: int
    others: int
    hidden: int
    relabelled: int
    left_out: int

    def counts(self) -> pd.DataFrame:
        """Returns the number of images by class (row, in the order of `classes`) and split (column)."""
        labels = self.images.explode("labels")
        return pd.crosstab(labels["labels"], labels["given"]).reindex(list(self.classes), fill_value=0)


def layout_of(raw: Path, data: Data) -> Layout:
    """Returns the layout of the dataset in `raw`: that of `data` if it names this dataset, else a proposal.

    Raises:
        TransferlineError: there is no such folder, or no layout fits.
    """
    if not raw.is_dir():
        there = ", ".join(sorted(path.name for path in raw.parent.glob("*/"))) or "none"
        raise TransferlineError(f"{raw}: no such folder; add it with `transferline data add` (there are: {there})")
    if data.dataset == raw.name:
        return data.layout
    found = inspect_folder(raw)
    layout, hint = found.layout, "in params.yaml, set data.dataset to this dataset, and set data.layout"
    if layout is None:
        raise TransferlineError("\n".join([f"{raw}: no layout fits; {hint}", *describe_reasons(found)]))
    if has_masks(layout):  # only params.yaml contains the meaning of mask values
        raise TransferlineError(f"{raw}: its layout gives masks, but not their classes; {hint} and data.masks")
    return layout


def look(
    raw: Path,
    layout: Layout,
    masks: Masks | None = None,
    corrections: Path | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Look:
    """Reads every file of a dataset and returns its content.

    Args:
        raw: the dataset's folder.
        layout: the dataset's layout.
        masks: the meaning of mask values; only for a layout with masks.
        corrections: the file with the dataset's corrections; it may be missing.
        max_pixels: the limit for an image, width times height.

    Raises:
        TransferlineError: see `list_dataset`; or there is no readable image with a label, or the corrections are wrong.
    """
    listing = list_dataset(raw, layout)
    files = listing.files.merge(scan(raw, list(listing.files["path"]), max_pixels=max_pixels), on="path").fillna(
        {"given": ""}
    )
    if masks:
        files["label"] = scan_masks(raw, files, masks)["label"]
    hidden = int(files["path"].map(is_hidden).sum())
    broken = files["luminance_mean"].isna() & files["path"].map(is_image)
    readable = files[files["luminance_mean"].notna()]
    entries = read_corrections(corrections, listing, layout) if corrections else []
    readable = correct_labels(readable, match(entries, readable)[0])
    left_out = int(readable["excluded"].sum())
    readable = readable[~readable["excluded"]]
    labelled = readable[readable["label"].notna()]
    several = gives_several_labels(layout) or has_masks(layout)
    names = [tuple(split_labels(label)) if several else (label,) for label in labelled["label"]]
    declared = {*listing.classes, *(Path(folder).name for folder in listing.folders)}
    if not any(names):
        raise TransferlineError(f"{raw}: no image can be read and has a label; check data.layout in params.yaml")
    return Look(
        images=labelled.assign(labels=pd.Series(names, labelled.index)).reset_index(drop=True),
        classes=tuple(sorted({name for labels in names for name in labels} | declared, key=natural)),
        unreadable=tuple(files.loc[broken, "path"]),
        unlabelled=len(readable) - len(labelled),
        others=len(files) - len(readable) - left_out - int(broken.sum()) - hidden,
        hidden=hidden,
        relabelled=int((labelled["label"] != labelled["label_before"]).sum()),
        left_out=left_out,
    )


def summary(found: Look, layout: Layout) -> str:
    """Returns a few lines for the console: classes, counts, sizes, brightness and skipped files."""
    images, counts = found.images, found.counts().sum(axis=1)
    light = images["luminance_mean"]
    lines = [
        f"{len(images):,} images in {len(found.classes)} classes, read as {layout.kind}",
        f"images of a class: {_from_to(counts)}",
        f"sizes in pixels: {sizes(images)}",
        f"mean brightness of 255: {brightness(light)}",
        f"skipped: {len(found.unreadable):,} unreadable{_names(found.unreadable)}, "
        f"{found.unlabelled:,} without a label, {found.others:,} other files, {found.hidden:,} hidden files",
    ]
    if found.relabelled or found.left_out:
        lines.append(f"corrections: {found.relabelled:,} relabelled, {found.left_out:,} left out")
    return "\n".join(lines)


def sizes(images: pd.DataFrame) -> str:
    """Returns the range of width and height in words, or the size if all images have the same."""
    width, height = images["width"], images["height"]
    if width.nunique() == height.nunique() == 1:
        return f"all {width.iloc[0]} × {height.iloc[0]}"
    ranges = [
        f"{'all ' if side.min() == side.max() else f'{side.min()} to '}{side.max()} {word}"
        for side, word in ((width, "wide"), (height, "high"))
    ]
    return f"{', '.join(ranges)}, median {width.median():.0f} × {height.median():.0f}"


def brightness(light: pd.Series) -> str:
    """Returns the range of the mean brightness of images and its median, or the brightness that all have."""
    if light.round().nunique() == 1:
        return f"all {light.iloc[0]:.0f}"
    return f"{light.min():.0f} to {light.max():.0f}, median {light.median():.0f}"


def _from_to(counts: pd.Series) -> str:
    if counts.nunique() == 1:
        return f"{counts.iloc[0]:,} each"
    return f"{counts.min():,} ({counts.idxmin()}) to {counts.max():,} ({counts.idxmax()})"


def _names(paths: Sequence[str]) -> str:
    return f" ({first_of(paths, NAMED)})" if paths else ""
