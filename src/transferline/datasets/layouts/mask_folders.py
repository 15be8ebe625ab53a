"""The layout `image_mask_folders`: a folder of images, and a folder of masks with the same names."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from transferline.datasets.file_names import is_hidden
from transferline.datasets.layouts.contents import IMAGE_WORDS, MASK_WORDS, Contents, word
from transferline.datasets.layouts.listing import Listing, listing_table
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
    visible = [path for path in sorted(paths) if not is_hidden(path)]
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


def propose_mask_folders(contents: Contents) -> ImageMaskFolders | str:
    """Returns the layout if there are a folder of images and one of masks, in any case, else why it does not fit."""
    parts = {tuple(folder.split("/")) for folder in contents.images_by_folder}
    named = {names[:depth] for names in parts for depth, name in enumerate(names) if word(name) in IMAGE_WORDS}
    pairs = []
    for parent in sorted(map("/".join, named)):
        start, words = f"{parent}/" if parent else "", {word(name): name for name in contents.folders(parent)}
        images = [start + words[name] for name in words if name in IMAGE_WORDS]
        masks = [start + words[name] for name in words if name in MASK_WORDS]
        pairs += list(zip(images, masks, strict=True)) if len(images) == len(masks) == 1 else []
    if not pairs:
        return "a folder of images and a folder of masks are needed, such as images and masks"
    if len(pairs) > 1:
        there = first_of([f"{images} and {masks}" for images, masks in pairs], SHOWN)
        return f"there are {there}; move them so that there is one folder of images and one of masks (images/train)"
    return ImageMaskFolders(kind="image_mask_folders", images=pairs[0][0], masks=pairs[0][1])


def _names(paths: Iterable[str], folder: str) -> list[tuple[str, str]]:
    """Returns the paths below a folder, each with its name: the path relative to the folder, without suffix."""
    below = [path for path in paths if path.startswith(f"{folder}/")]
    return [(path, str(PurePosixPath(path).relative_to(folder).with_suffix(""))) for path in below]
