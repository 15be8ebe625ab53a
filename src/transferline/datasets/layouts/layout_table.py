"""The table of layouts: the functions that read each layout and propose it for a folder."""

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
    """The functions of a layout.

    Attributes:
        read: takes the dataset's folder, the paths of its files and the params; returns the files with their labels.
        propose: takes a dataset's folder; returns the params that fit, or None if the folder has another layout.
    """

    read: Callable[[Path, list[str], Any], Listing]
    propose: Callable[[Path], Layout | None]


# The keys are the values of `data.layout.kind`. The order matters: `propose_layout` returns the first proposal.
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


def propose_layout(folder: Path) -> Layout | None:
    """Returns the first layout that fits a folder, else None."""
    return next((layout for one in LAYOUTS.values() if (layout := one.propose(folder))), None)


def _walk(raw: Path) -> list[str]:
    """Returns the paths of all files, and of folders that are not read: without permission, or links to folders."""
    closed: list[OSError] = []
    found: list[str] = []
    for folder, inner, files in os.walk(raw, onerror=closed.append):
        links = [name for name in inner if Path(folder, name).is_symlink()]
        found += [f"{folder}/{name}" for name in [*files, *links]]
    found += [f"{raw}/{Path(error.filename).relative_to(raw)}" for error in closed]
    # Bytes that are not UTF-8 are escaped. Then no file has this name, and validation reports it as unreadable.
    return [os.fsencode(path.removeprefix(f"{raw}/")).decode("utf-8", "backslashreplace") for path in found]
