"""The layouts `class_folders` and `split_class_folders`: a folder for each class."""

from pathlib import Path
from typing import get_args

from transferline.datasets.file_names import is_hidden
from transferline.datasets.layouts.contents import IMAGE_WORDS, MASK_WORDS, Contents, ProposedLayout, word
from transferline.datasets.layouts.listing import Listing, listing_table, split_of, usual_splits
from transferline.datasets.tables import natural
from transferline.errors import TransferlineError
from transferline.params import ClassFolders, Split, SplitClassFolders
from transferline.text import first_of, printable

MOST_OUTSIDE = 0.05  # of the images: outside of the class folders
SHOWN = 6  # folders in a message


def read_class_folders(raw: Path, paths: list[str], layout: ClassFolders | SplitClassFolders) -> Listing:
    """Lists files whose class is the name of their folder. If the layout names split folders, they contain the classes.

    Raises:
        TransferlineError: a split's folder is missing.
    """
    roots: dict[str, Split | None] = {"": None} if isinstance(layout, ClassFolders) else _split_folders(raw, layout)
    rows = {path: _class_and_split(path, roots) for path in paths}
    folders = [f"{root}{printable(entry.name)}" for root in roots for entry in (raw / root).iterdir() if entry.is_dir()]
    visible = sorted((folder for folder in folders if not is_hidden(folder)), key=natural)
    return Listing(listing_table(paths, rows), folders=tuple(visible))


def _split_folders(raw: Path, layout: SplitClassFolders) -> dict[str, Split | None]:
    names = {name: split for split in get_args(Split) if (name := getattr(layout, split)) is not None}
    missing = [name for name in names if not (raw / name).is_dir()]
    if missing:
        there = ", ".join(sorted((entry.name for entry in raw.iterdir() if entry.is_dir()), key=natural))
        raise TransferlineError(
            f"{raw} has no folder {' and no folder '.join(missing)}; there are: {there or 'none'}. Name the folders of "
            "its splits in data.layout, or use {kind: class_folders} if the folders are classes"
        )
    return {f"{name}/": split for name, split in names.items()}


def _class_and_split(path: str, roots: dict[str, Split | None]) -> tuple[str | None, Split | None]:
    for root, split in roots.items():
        label, slash, _ = path.removeprefix(root).partition("/")
        if path.startswith(root) and slash:
            return label, split
    return None, None


def propose_class_folders(contents: Contents) -> ProposedLayout | str:
    """Returns the layout if every folder is a class, else why it does not fit."""
    folders, outside = list(contents.folders()), contents.images_by_folder[""]
    if len(folders) < 2:
        above = "all images lie at the top (if this is the folder of one class, add the folder above it)"
        there = f"only {folders[0]} has images" if folders else above
        return f"two or more folders with images are needed, one for each class, but {there}"
    if outside > MOST_OUTSIDE * len(contents.images):
        return f"{outside} of {len(contents.images)} images lie at the top, not in the folder of a class"
    inner = {name: set(contents.folders(name)) for name in folders}
    splits = [name for name in folders if split_of(name) and (name.lower() != split_of(name) or len(inner[name]) > 1)]
    if splits or len({split_of(name) for name in folders} - {None}) > 1:
        return f"{first_of(splits or folders, SHOWN)} look like splits, not like classes"
    words = {word(name) for name in folders}
    if words & IMAGE_WORDS and words & MASK_WORDS:
        return f"{first_of(folders, SHOWN)} hold images and masks or labels, not classes"
    if any(contents.images_by_folder[name] for name in folders):
        return ProposedLayout(ClassFolders(kind="class_folders"))
    same = set.intersection(*inner.values())
    if len(same) > 1 and not all(map(split_of, same)):
        return (
            f"each of {first_of(folders, SHOWN)} has the folders {first_of(sorted(same), SHOWN)}: add only one of them"
        )
    return ProposedLayout(ClassFolders(kind="class_folders"))


def propose_split_class_folders(contents: Contents) -> ProposedLayout | str:
    """Returns the layout if folders have the usual names of splits and contain class folders, else why not."""
    splits = usual_splits({name: name for name in contents.folders()})
    if not splits:
        there = first_of(list(contents.folders()), SHOWN) or "none"
        return f"folders of train and test are needed, but there are: {there}"
    roots = {split: _inner(contents, folder) for split, folder in splits.items() if folder}
    classes = {split: set(contents.folders(root)) for split, root in roots.items()}
    if flat := [root for split, root in roots.items() if not classes[split]]:
        return f"{' and '.join(flat)} must hold a folder for each class, but the images lie directly in it"
    words = {word(name) for name in classes["train"]}
    if words & IMAGE_WORDS and words <= IMAGE_WORDS | MASK_WORDS:
        return f"{roots['train']} has the folders {', '.join(sorted(classes['train']))}, which are not classes"
    if not classes["test"] & classes["train"]:
        return f"{roots['train']} and {roots['test']} have no class folder in common"
    layout = {"kind": "split_class_folders", **dict.fromkeys(splits), **roots}
    return ProposedLayout(SplitClassFolders.model_validate(layout))


def _inner(contents: Contents, folder: str) -> str:
    """Returns the folder with the class folders: an only folder that has folders is entered (`seg_train/seg_train`)."""
    folders = list(contents.folders(folder))
    inner = f"{folder}/{folders[0]}" if len(folders) == 1 else folder
    return _inner(contents, inner) if inner != folder and contents.folders(inner) else folder
