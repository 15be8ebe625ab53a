"""The layout `image_mask_folders`: a folder of images, and a folder of masks with the same names."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from transferline.datasets.layouts.listing import HIDDEN, Listing, listing_table
from transferline.errors import TransferlineError
from transferline.params import ImageMaskFolders
from transferline.text import first_of

SHOWN = 10  # faults in a message


def read_mask_folders(raw: Path, paths: list[str], layout: ImageMaskFolders) -> Listing:
    """Lists the images, each with the expected path of its mask. A mask without an image gets a row with the image's
    expected path.

    Raises:
        TransferlineError: a folder is missing, or two images have the same name.
    """
    faults = [f"no folder {folder}" for folder in (layout.images, layout.masks) if not (raw / folder).is_dir()]
    visible = [path for path in sorted(paths) if not HIDDEN.search(path)]
    images: dict[str, str] = {}
    for path, name in _names(visible, layout.images):
        if name in images:
            faults.append(f"{images[name]} and {path} have the same name, and so the same mask; rename one of them")
        images[name] = path
    if faults:
        raise TransferlineError(f"{raw} has no folders of images and masks:\n  " + first_of(faults, SHOWN, "\n  "))
    names = {name for path, name in _names(visible, layout.masks) if path.endswith(".png")}
    masks = {
        images.get(name, f"{layout.images}/{name}.png"): f"{layout.masks}/{name}.png" for name in {*images, *names}
    }
    others = [path for path in paths if not path.startswith(f"{layout.masks}/")]
    table = listing_table(others, dict.fromkeys(masks, ("", None)))
    return Listing(table.assign(mask=table["path"].map(masks)))


def propose_mask_folders(folder: Path) -> ImageMaskFolders | None:
    """Returns the layout if there are folders `images` and `masks`, else None."""
    if not all((folder / name).is_dir() for name in ("images", "masks")):
        return None
    return ImageMaskFolders(kind="image_mask_folders", images="images", masks="masks")


def _names(paths: Iterable[str], folder: str) -> list[tuple[str, str]]:
    """Returns the paths below a folder, each with its name: the path relative to the folder, without suffix."""
    below = [path for path in paths if path.startswith(f"{folder}/")]
    return [(path, str(PurePosixPath(path).relative_to(folder).with_suffix(""))) for path in below]
