"""The table of layouts: the functions that read each layout and propose it for a folder."""

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

from transferline.datasets.layouts.class_folders import (
    propose_class_folders,
    propose_split_class_folders,
    read_class_folders,
)
from transferline.datasets.layouts.contents import Contents, ProposedLayout
from transferline.datasets.layouts.csv_proposal import propose_csv
from transferline.datasets.layouts.csv_table import read_csv
from transferline.datasets.layouts.listing import Listing
from transferline.datasets.layouts.mask_folders import propose_mask_folders, read_mask_folders
from transferline.datasets.layouts.voc import propose_voc, read_voc
from transferline.errors import TransferlineError
from transferline.params import Layout
from transferline.text import printable


class LayoutFunctions(NamedTuple):
    """The functions of a layout.

    Attributes:
        read: takes the dataset's folder, the paths of its files and the params; returns the files with their labels.
        propose: takes the content of a dataset's folder; returns the params that fit, or the reason why none fit.
    """

    read: Callable[[Path, list[str], Any], Listing]
    propose: Callable[[Contents], ProposedLayout | str]


class Proposal(NamedTuple):
    """The layout of a dataset.

    Attributes:
        layout: the layout that fits; None if none fits.
        listing: the files with their labels; None if no layout fits.
        reasons: why layouts do not fit, by `kind`.
        alternatives: the other layouts that fit, each with the number of images to which it gives a label.
        note: the notes of all layouts that fit, see `ProposedLayout`.
    """

    layout: Layout | None
    listing: Listing | None
    reasons: dict[str, str]
    alternatives: tuple[tuple[Layout, int], ...] = ()
    note: str = ""

    def unlabelled(self, images: Collection[str]) -> list[str]:
        """Returns those of `images`, the paths of all images, to which the layout gives no label."""
        if self.listing is None:
            return []
        files = self.listing.files
        return [path for path in files.loc[files["label"].isna(), "path"] if path in images]


# The keys are the values of `data.layout.kind`. If two layouts label as many images, the first one is proposed,
# but a layout whose labels are not certain comes last.
LAYOUTS: dict[str, LayoutFunctions] = {
    "csv": LayoutFunctions(read_csv, propose_csv),
    "voc": LayoutFunctions(read_voc, propose_voc),
    "image_mask_folders": LayoutFunctions(read_mask_folders, propose_mask_folders),
    "split_class_folders": LayoutFunctions(read_class_folders, propose_split_class_folders),
    "class_folders": LayoutFunctions(read_class_folders, propose_class_folders),
}


def list_dataset(raw: Path, layout: Layout) -> Listing:
    """Lists the files below `raw` with their labels. It opens only files that describe images, such as tables.

    Raises:
        TransferlineError: the folder or a split's folder is missing, or a file that describes the images is wrong.
    """
    if not raw.is_dir():
        raise TransferlineError(
            f"{raw}: no such folder; fetch the dataset or add your own with `transferline data add`"
        )
    return LAYOUTS[layout.kind].read(raw, _walk(raw), layout)


def propose_layout(contents: Contents) -> Proposal:
    """Returns the layout that labels the most images, the others that fit, and why the rest does not fit."""
    images = set(contents.images)
    fitting: list[tuple[int, ProposedLayout, Listing]] = []
    reasons: dict[str, str] = {}
    for kind, functions in LAYOUTS.items():
        proposed = functions.propose(contents)
        if isinstance(proposed, str):
            reasons[kind] = proposed
            continue
        try:
            listing = list_dataset(contents.folder, proposed.layout)
        except TransferlineError as error:
            reasons[kind] = str(error).replace(f"{contents.folder}/", "")
            continue
        labelled = listing.files.loc[listing.files["label"].notna(), "path"]
        fitting.append((len(images.intersection(labelled)), proposed, listing))
    if not fitting:
        return Proposal(None, None, reasons)
    best = max(fitting, key=lambda one: (one[0], one[1].is_certain))
    others = tuple((proposed.layout, count) for count, proposed, _ in fitting if proposed is not best[1])
    note = "\n".join(proposed.note for _, proposed, _ in fitting if proposed.note)
    return Proposal(best[1].layout, best[2], reasons, others, note)


def _walk(raw: Path) -> list[str]:
    """Returns the paths of all files, and of folders that are not read: without permission, or links to folders."""
    closed: list[OSError] = []
    found: list[str] = []
    for folder, inner, files in os.walk(raw, onerror=closed.append):
        links = [name for name in inner if Path(folder, name).is_symlink()]
        found += [f"{folder}/{name}" for name in [*files, *links]]
    found += [f"{raw}/{Path(error.filename).relative_to(raw)}" for error in closed]
    # Bytes that are not UTF-8 are escaped. Then no file has this name, and validation reports it as unreadable.
    return [printable(path.removeprefix(f"{raw}/")) for path in found]
