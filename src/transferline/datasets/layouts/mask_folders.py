"""The layout `image_mask_folders`: a folder of images, and one of masks with the same names."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from transferline.errors import TransferlineError
from transferline.params import ImageMaskFolders
from transferline.text import first_of

SHOWN = 10  # faults


def read_mask_folders(
    raw: Path, paths: Iterable[str], layout: ImageMaskFolders, hidden: re.Pattern[str]
) -> dict[str, str]:
    """The path that the mask of each image should have; a mask without an image is given the path that its image should
    have.

    Args:
        raw: the dataset's folder.
        paths: of all its files.
        layout: names the two folders.
        hidden: matches the paths of files that are left out.

    Raises:
        TransferlineError: a folder is missing, or two images have the same name.
    """
    faults = [f"no folder {folder}" for folder in (layout.images, layout.masks) if not (raw / folder).is_dir()]
    visible = [path for path in sorted(paths) if not hidden.search(path)]
    images: dict[str, str] = {}
    for path, name in _names(visible, layout.images):
        if name in images:
            faults.append(f"{images[name]} and {path} have the same name, and so the same mask; rename one of them")
        images[name] = path
    if faults:
        raise TransferlineError(f"{raw} has no folders of images and masks:\n  " + first_of(faults, SHOWN, "\n  "))
    names = {name for path, name in _names(visible, layout.masks) if path.endswith(".png")}
    return {images.get(name, f"{layout.images}/{name}.png"): f"{layout.masks}/{name}.png" for name in {*images, *names}}


def _names(paths: Iterable[str], folder: str) -> list[tuple[str, str]]:
    """The paths below a folder, each with its part below it without suffix."""
    below = [path for path in paths if path.startswith(f"{folder}/")]
    return [(path, str(PurePosixPath(path).relative_to(folder).with_suffix(""))) for path in below]
