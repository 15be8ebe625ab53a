"""The layout `image_mask_folders`: a folder of images, and a folder of masks, each with the name of its image."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from transferline.datasets.file_names import has_image_suffix, is_hidden, is_image_file
from transferline.datasets.layouts.contents import IMAGE_WORDS, MASK_WORDS, Contents, ProposedLayout, word
from transferline.datasets.layouts.listing import Listing, listing_table
from transferline.datasets.layouts.table_paths import composed
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
    visible = [path for path in sorted(paths) if not is_hidden(path)]
    images: dict[str, str] = {}
    for path, name in _names([path for path in visible if is_image_file(raw, path)], layout.images):
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
    named = [(path, name) for path, name in _names(paths, folder) if has_image_suffix(path)]
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


def propose_mask_folders(contents: Contents) -> ProposedLayout | str:
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
    names = [[name for _, name in _names(contents.images, part)] for part in pairs[0]]
    suffix = {"mask_suffix": found} if (found := common_mask_suffix(*names)) else {}
    layout = ImageMaskFolders(kind="image_mask_folders", images=pairs[0][0], masks=pairs[0][1], **suffix)
    return ProposedLayout(layout)


def _names(paths: Iterable[str], folder: str) -> list[tuple[str, str]]:
    """Returns the paths below a folder, each with its name: the path relative to the folder, without suffix.

    Names are in Unicode's composed form, because a system can have decomposed those of the images or of the masks.
    """
    below = [path for path in paths if path.startswith(f"{folder}/")]
    return [(path, composed(str(PurePosixPath(path).relative_to(folder).with_suffix("")))) for path in below]
