"""The layout `image_mask_folders`: a folder of images, and a folder of masks, each with the name of its image."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from transferline.datasets.file_formats import IMAGE_SUFFIXES
from transferline.datasets.layouts.listing import HIDDEN, Listing, listing_table
from transferline.errors import TransferlineError
from transferline.params import ImageMaskFolders
from transferline.text import first_of

SHOWN = 10  # faults in a message


def read_mask_folders(raw: Path, paths: list[str], layout: ImageMaskFolders) -> Listing:
    """Lists the images, each with the path of its mask, or the expected path if there is none. A mask without an image
    gets a row, too, without a label.

    Raises:
        TransferlineError: a folder is missing, two images have the same name, or no mask has the name of an image.
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
    found = _masks(visible, layout.masks)
    masks = {path: found.pop(name + layout.mask_suffix, None) for name, path in images.items()}
    if found and masks and not any(masks.values()):
        raise TransferlineError(_no_mask_fits(raw, next(iter(images)), list(images), list(found), layout))
    default = {path: f"{layout.masks}/{name}{layout.mask_suffix}.png" for name, path in images.items()}
    others = [path for path in paths if not path.startswith(f"{layout.masks}/")]
    table = listing_table([*others, *found.values()], dict.fromkeys(masks, ("", None)))
    return Listing(table.assign(mask=table["path"].map(default | {path: mask for path, mask in masks.items() if mask})))


def _masks(paths: list[str], folder: str) -> dict[str, str]:
    """Returns the paths of the masks by name; of several files with a name the PNG."""
    named = [(path, name) for path, name in _names(paths, folder) if path.lower().endswith(IMAGE_SUFFIXES)]
    return {name: path for path, name in sorted(named, key=lambda pair: pair[0].lower().endswith(".png"))}


def _no_mask_fits(raw: Path, name: str, images: list[str], masks: list[str], layout: ImageMaskFolders) -> str:
    suffix = common_mask_suffix(images, masks)
    hint = f"set data.layout.mask_suffix to {suffix}" if suffix else "rename the masks, or set data.layout.mask_suffix"
    return (
        f"{raw}: no mask has the name of an image: the image {layout.images}/{name} needs a mask "
        f"{layout.masks}/{name}{layout.mask_suffix}, but there is, for example, {layout.masks}/{masks[0]}; {hint}"
    )


def common_mask_suffix(images: Iterable[str], masks: Iterable[str]) -> str | None:
    """Returns what most names of masks add to the names of their images, "" for nothing; None if no mask fits."""
    known = set(images)
    ends = [[mask[end:] for end in range(len(mask), 0, -1) if mask[:end] in known] for mask in masks]
    counts = Counter(end[0] for end in ends if end)
    return counts.most_common(1)[0][0] if counts else None


def propose_mask_folders(folder: Path) -> ImageMaskFolders | None:
    """Returns the layout if there are folders `images` and `masks`, else None."""
    if not all((folder / name).is_dir() for name in ("images", "masks")):
        return None
    paths = [path.relative_to(folder).as_posix() for path in sorted(folder.glob("[im]*s/**/*")) if path.is_file()]
    visible = [path for path in paths if not HIDDEN.search(path)]
    names = [[name for _, name in _names(visible, part)] for part in ("images", "masks")]
    suffix = {"mask_suffix": found} if (found := common_mask_suffix(*names)) else {}
    return ImageMaskFolders(kind="image_mask_folders", images="images", masks="masks", **suffix)


def _names(paths: Iterable[str], folder: str) -> list[tuple[str, str]]:
    """Returns the paths below a folder, each with its name: the path relative to the folder, without suffix."""
    below = [path for path in paths if path.startswith(f"{folder}/")]
    return [(path, str(PurePosixPath(path).relative_to(folder).with_suffix(""))) for path in below]
