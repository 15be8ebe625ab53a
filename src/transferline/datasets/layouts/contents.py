"""The files in a dataset's folder, from which the layouts are proposed."""

import os
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from transferline.datasets.file_names import is_hidden, is_image_file
from transferline.params import Layout

IMAGE_WORDS = {"images", "image", "imgs", "img", "pictures", "photos", "jpegimages", "inputs", "original", "originals"}
MASK_WORDS = {"masks", "mask", "labels", "label", "annotations", "annotation", "segmentation", "segmentations"}
MASK_WORDS |= {"gt", "groundtruth", "targets", "segmentationclass", "segmentationobject", "labelimages"}


@dataclass(frozen=True)
class Contents:
    """The files in a folder.

    Attributes:
        folder: the folder.
        files: the paths of all files that are not hidden, relative to the folder.
        hidden: the number of hidden files.
    """

    folder: Path
    files: tuple[str, ...]
    hidden: int

    @cached_property
    def images(self) -> tuple[str, ...]:
        """The paths of the images."""
        return tuple(path for path in self.files if is_image_file(self.folder, path))

    @cached_property
    def images_by_folder(self) -> Counter[str]:
        """The number of images that lie directly in each folder. The folder itself is an empty text."""
        return Counter(path.rpartition("/")[0] for path in self.images)

    def folders(self, parent: str = "") -> dict[str, int]:
        """Returns the number of images in each folder directly below `parent`, with the folders below it."""
        found: Counter[str] = Counter()
        for folder, images in self.images_by_folder.items():
            if folder and (not parent or folder.startswith(f"{parent}/")):
                found[folder.removeprefix(f"{parent}/").partition("/")[0]] += images
        return dict(sorted(found.items()))


class ProposedLayout(NamedTuple):
    """A layout that fits a folder.

    Attributes:
        layout: the layout.
        is_certain: whether it gives the class of each image for certain; a column of a table can be something else.
        note: what the folder has and the layout does not use, why, and what to do; "" for nothing.
    """

    layout: Layout
    is_certain: bool = True
    note: str = ""


def read_contents_of(folder: Path) -> Contents:
    """Returns the content of a folder. Links to folders are not followed."""
    paths = [Path(here, name).relative_to(folder).as_posix() for here, _, names in os.walk(folder) for name in names]
    files = tuple(sorted(path for path in paths if not is_hidden(path)))
    return Contents(folder, files, len(paths) - len(files))


def word(name: str) -> str:
    """Returns the letters of a folder's name in lower case, to compare it with usual names."""
    return "".join(letter for letter in name.lower() if letter.isalpha())
