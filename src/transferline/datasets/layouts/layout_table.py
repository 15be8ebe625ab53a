"""The layouts: which module reads each, and proposes it for a folder."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from transferline.datasets.layouts.class_folders import (
    propose_class_folders,
    propose_split_class_folders,
    read_class_folders,
)
from transferline.datasets.layouts.csv_table import propose_csv, read_csv
from transferline.datasets.layouts.listing import Listing
from transferline.datasets.layouts.mask_folders import propose_mask_folders, read_mask_folders
from transferline.datasets.layouts.voc import propose_voc, read_voc
from transferline.errors import TransferlineError
from transferline.params import Layout


class LayoutFunctions(NamedTuple):
    """What is done with a layout.

    Attributes:
        read: the files with their labels, from the dataset's folder, the paths of its files, and the params.
        propose: the params that fit a dataset's folder; None where it is laid out otherwise.
    """

    read: Callable[[Path, list[str], Any], Listing]
    propose: Callable[[Path], Layout | None]


# by `data.layout.kind`; the first proposal counts
LAYOUTS: dict[str, LayoutFunctions] = {
    "csv": LayoutFunctions(read_csv, propose_csv),
    "voc": LayoutFunctions(read_voc, propose_voc),
    "image_mask_folders": LayoutFunctions(read_mask_folders, propose_mask_folders),
    "split_class_folders": LayoutFunctions(read_class_folders, propose_split_class_folders),
    "class_folders": LayoutFunctions(read_class_folders, propose_class_folders),
}


def list_dataset(raw: Path, layout: Layout) -> Listing:
    """Lists the files below `raw` with their labels; opens none but those that describe the images.

    Raises:
        TransferlineError: there is no such folder, a split's folder is missing, or what describes the images is wrong.
    """
    if not raw.is_dir():
        raise TransferlineError(
            f"{raw}: no such folder; fetch the dataset or add your own with `transferline data add`"
        )
    return LAYOUTS[layout.kind].read(raw, _walk(raw), layout)


def propose_layout(folder: Path) -> Layout | None:
    """The first layout that fits what is in a folder."""
    return next((layout for one in LAYOUTS.values() if (layout := one.propose(folder))), None)


def _walk(raw: Path) -> list[str]:
    """All files, and what cannot be looked into: folders without permission and links to folders."""
    closed: list[OSError] = []
    found: list[str] = []
    for folder, inner, files in os.walk(raw, onerror=closed.append):
        links = [name for name in inner if Path(folder, name).is_symlink()]
        found += [f"{folder}/{name}" for name in [*files, *links]]
    found += [f"{raw}/{Path(error.filename).relative_to(raw)}" for error in closed]
    # a name that is no UTF-8 is spelled out, so that the file is reported as unreadable
    return [os.fsencode(path.removeprefix(f"{raw}/")).decode("utf-8", "backslashreplace") for path in found]
