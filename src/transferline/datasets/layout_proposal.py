"""Lists the content of a dataset's folder and proposes a layout, without opening images."""

from collections import Counter
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, cast

from ruamel.yaml import YAML

from transferline.datasets.images import IMAGE_SUFFIXES
from transferline.datasets.layouts.layout_table import list_dataset, propose_layout
from transferline.datasets.layouts.listing import HIDDEN
from transferline.params import ClassFolders, Layout, SplitClassFolders
from transferline.params.layouts import gives_several_labels, has_masks
from transferline.params.problem_kinds import fitting_problem
from transferline.text import first_of

SHOWN = 12  # names in a list


@dataclass(frozen=True)
class FolderContents:
    """The content of a dataset's folder.

    Attributes:
        images: the number of image files for each suffix of `IMAGE_SUFFIXES`.
        others: the number of other files for each suffix.
        hidden: the number of hidden files.
        layout: the layout that fits; None if no layout fits.
        classes: for class folders, the number of images of each class, by split ("" if the layout has no splits).
    """

    images: dict[str, int]
    others: dict[str, int]
    hidden: int
    layout: Layout | None
    classes: dict[str, dict[str, int]]


def inspect_folder(folder: Path) -> FolderContents:
    """Returns the content of a folder, mostly from the names of its files."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    visible = [path for path in files if not HIDDEN.search(path.relative_to(folder).as_posix())]
    suffixes = Counter(path.suffix.lower() or "(none)" for path in visible)
    layout = propose_layout(folder)
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


def describe_folder(name: str, found: FolderContents) -> str:
    """Describes the content of the dataset `name`, and proposes the section `data` of `params.yaml`."""
    counts = [("images", found.images), ("other files", found.others)]
    parts = [f"{sum(of.values()):,} {what}{_list(of)}" for what, of in counts] + [f"{found.hidden:,} hidden files"]
    lines = [f"data/raw/{name}: {'; '.join(parts)}"]
    lines += [f"{split or 'classes'}{_list(classes)}" for split, classes in found.classes.items()]
    if found.layout is None:
        wanted = "two or more class folders, split folders, a table, or the folders of PASCAL VOC"
        return "\n".join([*lines, f"No layout fits. A dataset needs {wanted}"])
    text, yaml = StringIO(), cast(Any, YAML(typ="safe", pure=True))
    yaml.sort_base_mapping_type_on_output, yaml.width = False, 200
    yaml.dump({"data": proposed_data(name, found, found.layout)}, text)
    return "\n".join([*lines, "Proposal for params.yaml:", text.getvalue().rstrip()])


def proposed_data(name: str, found: FolderContents, layout: Layout) -> dict[str, Any]:
    """Returns the section `data` of `params.yaml` for the dataset `name` with this content and layout."""
    classes = {label for of_split in found.classes.values() for label in of_split}
    block: dict[str, Any] = {
        "dataset": name,
        "problem": fitting_problem(has_masks(layout), gives_several_labels(layout), len(classes)),
        "layout": layout.model_dump(mode="json", exclude_unset=True),
    }
    if has_masks(layout):
        block["masks"] = {"classes": ["name of value 0", "name of value 1"], "void": 255}
    return block


def _list(counts: dict[str, int]) -> str:
    return f" ({first_of([f'{name} {count:,}' for name, count in counts.items()], SHOWN)})" if counts else ""
