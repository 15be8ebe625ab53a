"""The layouts `class_folders` and `split_class_folders`: a folder for each class."""

from pathlib import Path
from typing import get_args

from transferline.datasets.layouts.listing import HIDDEN, Listing, listing_table, usual_splits
from transferline.datasets.tables import natural
from transferline.errors import TransferlineError
from transferline.params import ClassFolders, Split, SplitClassFolders


def read_class_folders(raw: Path, paths: list[str], layout: ClassFolders | SplitClassFolders) -> Listing:
    """Lists files whose class is the name of their folder. If the layout names split folders, they contain the classes.

    Raises:
        TransferlineError: a split's folder is missing.
    """
    roots: dict[str, Split | None] = {"": None} if isinstance(layout, ClassFolders) else _split_folders(raw, layout)
    rows = {path: _class_and_split(path, roots) for path in paths}
    folders = [f"{root}{entry.name}" for root in roots for entry in (raw / root).iterdir() if entry.is_dir()]
    visible = sorted((folder for folder in folders if not HIDDEN.search(folder)), key=natural)
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


def propose_class_folders(folder: Path) -> ClassFolders | None:
    """Returns the layout if there are two folders or more, else None."""
    return ClassFolders(kind="class_folders") if len(_visible_folders(folder)) > 1 else None


def propose_split_class_folders(folder: Path) -> SplitClassFolders | None:
    """Returns the layout if folders have the usual names of splits, else None."""
    splits = usual_splits({name: name for name in _visible_folders(folder)})
    return SplitClassFolders.model_validate({"kind": "split_class_folders", **splits}) if splits else None


def _visible_folders(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_dir() and not HIDDEN.search(path.name)]
