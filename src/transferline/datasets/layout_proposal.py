"""A first look at a dataset's folder, by names only: what is in it, and which layout fits."""

from collections import Counter
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Literal, cast

import pandas as pd
from ruamel.yaml import YAML

from transferline.datasets.images import IMAGE_SUFFIXES
from transferline.datasets.layouts.csv_table import SPLIT_NAMES
from transferline.datasets.layouts.listing import HIDDEN, list_dataset
from transferline.datasets.layouts.voc import ANNOTATIONS, CLASS_LISTS, IMAGES, MASKS, split_lists
from transferline.params import ClassFolders, Csv, ImageMaskFolders, Layout, SplitClassFolders, Voc
from transferline.params.layouts import gives_several_labels, has_masks
from transferline.params.problem_kinds import fitting_problem
from transferline.text import first_of

LABEL_COLUMNS = ("label", "class", "class_name", "category", "target")
SPLIT_COLUMNS = ("split", "subset", "set")
SHOWN = 12  # names in a list


@dataclass(frozen=True)
class FolderContents:
    """What a folder holds.

    Attributes:
        images: files by suffix that counts as an image's (`IMAGE_SUFFIXES`).
        others: other files by suffix.
        hidden: number of hidden files.
        layout: the layout that fits, if one does.
        classes: images by class, for each split that the layout names ("" where it names none); only of class folders.
    """

    images: dict[str, int]
    others: dict[str, int]
    hidden: int
    layout: Layout | None
    classes: dict[str, dict[str, int]]


def inspect_folder(folder: Path) -> FolderContents:
    """Looks at the names of all files below `folder`."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    visible = [path for path in files if not HIDDEN.search(path.relative_to(folder).as_posix())]
    suffixes = Counter(path.suffix.lower() or "(none)" for path in visible)
    layout = _layout(folder)
    return FolderContents(
        images={suffix: count for suffix, count in suffixes.most_common() if suffix in IMAGE_SUFFIXES},
        others={suffix: count for suffix, count in suffixes.most_common() if suffix not in IMAGE_SUFFIXES},
        hidden=len(files) - len(visible),
        layout=layout,
        classes=_classes(folder, layout) if isinstance(layout, ClassFolders | SplitClassFolders) else {},
    )


def _classes(folder: Path, layout: Layout) -> dict[str, dict[str, int]]:
    files = list_dataset(folder, layout).files.fillna({"given": ""})
    is_image = files["path"].map(lambda path: path.lower().endswith(IMAGE_SUFFIXES) and not HIDDEN.search(path))
    images = files[is_image & files["label"].notna()]
    counts: dict[str, dict[str, int]] = {}
    for split, label in zip(images["given"], images["label"], strict=True):
        of_split = counts.setdefault(split, {})
        of_split[label] = of_split.get(label, 0) + 1
    return counts


def _layout(folder: Path) -> Layout | None:
    tables = [layout for table in sorted(folder.glob("*.csv")) if (layout := _csv(table))]
    if tables:
        return tables[0]
    if (folder / IMAGES).is_dir() and (voc := _voc(folder)):
        return voc
    folders = [path.name for path in folder.iterdir() if path.is_dir() and not HIDDEN.search(path.name)]
    if {"images", "masks"} <= set(folders):
        return ImageMaskFolders(kind="image_mask_folders", images="images", masks="masks")
    splits = _splits({name: name for name in folders})
    if splits:
        return SplitClassFolders(kind="split_class_folders", **splits)
    return ClassFolders(kind="class_folders") if len(folders) > 1 else None


def _splits(names: dict[str, str]) -> dict[str, Any]:
    """The values of those `names` that are usual for splits; empty where none fits train or none the test set."""
    usual = {name.lower(): value for name, value in names.items()}
    train, validation, test = (
        next((usual[name] for name in SPLIT_NAMES[split] if name in usual), None)
        for split in ("train", "validation", "test")
    )
    if not train or not (test or validation):
        return {}
    return {"train": train, "validation": validation if test else None, "test": test or validation}


def _voc(folder: Path) -> Voc | None:
    if next((folder / ANNOTATIONS).glob("*.xml"), None):
        labels: Literal["annotations", "image_sets", "masks"] = "annotations"
    elif next((folder / CLASS_LISTS).glob("*_*.txt"), None):
        labels = "image_sets"
    elif next((folder / MASKS).glob("*.png"), None):
        labels = "masks"
    else:
        return None
    listed = split_lists(folder)
    splits = [_splits({name.removeprefix(task): name for name in listed}) for task in ("Main/", "Segmentation/")]
    return Voc(
        kind="voc", labels=labels, **(splits[0] or splits[1] or {"train": None, "validation": None, "test": None})
    )


def _csv(table: Path) -> Csv | None:
    """The layout of a table with a column that names files next to it, and one for the label or several of 0 and 1."""
    try:
        rows = pd.read_csv(table, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        row = rows.iloc[0]
    except (OSError, ValueError, IndexError):
        return None
    path = next((column for column in row.index if row[column] and (table.parent / row[column]).is_file()), None)
    label, split = (
        next((column for column in row.index if column.lower() in names), None)
        for names in (LABEL_COLUMNS, SPLIT_COLUMNS)
    )
    if path and label:
        return Csv(kind="csv", file=table.name, path_column=path, label_column=label, split_column=split)
    flags = tuple(str(column) for column in rows if set(rows[column]) <= {"0", "1"})
    if path and len(flags) > 1:
        return Csv(kind="csv", file=table.name, path_column=path, label_columns=flags, split_column=split)
    return None


def describe_folder(name: str, found: FolderContents) -> str:
    """What was found in the dataset `name`, and the block of `params.yaml` that reads it."""
    counts = [("images", found.images), ("other files", found.others)]
    parts = [f"{sum(of.values()):,} {what}{_list(of)}" for what, of in counts] + [f"{found.hidden:,} hidden files"]
    lines = [f"data/raw/{name}: {'; '.join(parts)}"]
    lines += [f"{split or 'classes'}{_list(classes)}" for split, classes in found.classes.items()]
    if found.layout is None:
        wanted = "two or more class folders, split folders, a table, or the folders of PASCAL VOC"
        return "\n".join([*lines, f"No layout fits: wanted are {wanted}"])
    classes = {label for of_split in found.classes.values() for label in of_split}
    block: dict[str, Any] = {
        "dataset": name,
        "problem": fitting_problem(has_masks(found.layout), gives_several_labels(found.layout), len(classes)),
        "layout": found.layout.model_dump(mode="json", exclude_unset=True),
    }
    if has_masks(found.layout):
        block["masks"] = {"classes": ["name of value 0", "name of value 1"], "void": 255}
    text, yaml = StringIO(), cast(Any, YAML(typ="safe", pure=True))
    yaml.sort_base_mapping_type_on_output, yaml.width = False, 200
    yaml.dump({"data": block}, text)
    return "\n".join([*lines, "This fits it in params.yaml:", text.getvalue().rstrip()])


def _list(counts: dict[str, int]) -> str:
    return f" ({first_of([f'{name} {count:,}' for name, count in counts.items()], SHOWN)})" if counts else ""
