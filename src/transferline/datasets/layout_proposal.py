"""Lists the content of a dataset's folder and proposes a layout. It opens tables, but no images with a usual name."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any, cast, get_args

from ruamel.yaml import YAML

from transferline.datasets.layouts.contents import Contents, read_contents_of
from transferline.datasets.layouts.layout_table import Proposal, propose_layout
from transferline.datasets.layouts.other_formats import recognise_format
from transferline.datasets.layouts.table_file import TABLE_SUFFIXES
from transferline.datasets.mask_proposal import ProposedMasks, propose_masks
from transferline.params import Layout, Split
from transferline.params.layouts import gives_several_labels, has_masks
from transferline.params.problem_kinds import fitting_problem
from transferline.text import first_of, printable

SHOWN = 12  # names in a list


@dataclass(frozen=True)
class FolderContents:
    """The content of a dataset's folder.

    Attributes:
        images: the number of images for each suffix.
        others: the number of other files for each suffix.
        hidden: the number of hidden files.
        layout: the layout that fits; None if no layout fits.
        classes: if images have one label, the number of images of each class, by split ("" if there are no splits).
        unlabelled: the number of images without a label in each folder, if a layout fits.
        reasons: why layouts do not fit, by `kind`.
        alternatives: the other layouts that fit, each with the number of images to which it gives a label.
        note: what the folder has and the layout does not use, why, and what to do; "" for nothing.
        masks: the values in the masks, if the layout has masks.
        fault: why no entry in `params.yaml` makes a layout fit; "" if one may.
    """

    images: dict[str, int]
    others: dict[str, int]
    hidden: int
    layout: Layout | None
    classes: dict[str, dict[str, int]]
    unlabelled: dict[str, int]
    reasons: dict[str, str]
    alternatives: tuple[tuple[Layout, int], ...]
    note: str
    masks: ProposedMasks | None
    fault: str


def inspect_folder(folder: Path) -> FolderContents:
    """Returns the content of a folder, mostly from the names of its files."""
    contents = read_contents_of(folder)
    images = set(contents.images)
    suffixes = [
        Counter(_suffix(path) for path in contents.files if (path in images) == there) for there in (True, False)
    ]
    proposal = propose_layout(contents)
    unlabelled = Counter(path.rpartition("/")[0] or "the top folder" for path in proposal.unlabelled(images))
    return FolderContents(
        images=dict(suffixes[0].most_common()),
        others=dict(suffixes[1].most_common()),
        hidden=contents.hidden,
        layout=proposal.layout,
        classes=_classes(proposal, images),
        unlabelled=dict(unlabelled.most_common()),
        reasons=proposal.reasons,
        alternatives=proposal.alternatives,
        note=proposal.note,
        masks=_masks(folder, proposal),
        fault="" if proposal.layout else _fault(contents),
    )


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower() or "(none)"


def _classes(proposal: Proposal, images: Collection[str]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    if proposal.listing and proposal.layout and proposal.layout.gives == "label":
        files = proposal.listing.files.fillna({"given": ""}).dropna(subset="label")
        for path, label, split in files[["path", "label", "given"]].itertuples(index=False):
            if path in images:
                of_split = counts.setdefault(split, {})
                of_split[label] = of_split.get(label, 0) + 1
    return {split: counts[split] for split in ("", *get_args(Split)) if split in counts}


def _masks(folder: Path, proposal: Proposal) -> ProposedMasks | None:
    if proposal.listing is None or "mask" not in proposal.listing.files:
        return None
    paths = proposal.listing.files["mask"].dropna()
    return propose_masks(folder, [path for path in paths if (folder / path).is_file()])


def _fault(contents: Contents) -> str:
    """Returns why the folder cannot become a dataset as it is; "" if it may, for instance if a table has other columns.

    A folder with one class folder is allowed: `transferline data add --into` can add the others.
    """
    if not contents.images:
        return "there are no images"
    if foreign := recognise_format(contents):
        return foreign
    tables = any(path.lower().endswith(TABLE_SUFFIXES) for path in contents.files)
    return "" if tables or (len(contents.folders()) == 1 and not contents.images_by_folder[""]) else "no layout fits"


def describe_folder(name: str, found: FolderContents) -> str:
    """Describes the content of the dataset `name`, and proposes the section `data` of `params.yaml`."""
    counts = [("images", found.images), ("other files", found.others)]
    parts = [f"{sum(of.values()):,} {what}{_list(of)}" for what, of in counts] + [f"{found.hidden:,} hidden files"]
    lines = [f"data/raw/{name}: {'; '.join(parts)}"]
    lines += [f"{split or 'classes'}{_list(classes)}" for split, classes in found.classes.items()]
    if found.layout is None:
        return "\n".join([*lines, *describe_reasons(found)])
    if found.unlabelled:
        lines.append(
            f"left out, because they get no label: {sum(found.unlabelled.values()):,}{_list(found.unlabelled)}"
        )
    if found.masks:
        lines += found.masks.lines
    if "csv" in found.reasons and any(suffix in found.others for suffix in TABLE_SUFFIXES):
        lines.append(f"tables are not used: {found.reasons['csv']}")
    if found.note:
        lines.append(found.note)
    lines += [_alternative(layout, count) for layout, count in found.alternatives]
    block = _as_yaml({"data": proposed_data(name, found, found.layout)}, flow=None)
    return "\n".join([*lines, "Proposal for params.yaml:", block])


def _alternative(layout: Layout, count: int) -> str:
    column = getattr(layout, "split_column", None)
    return (
        f"{layout.kind} fits too, and labels {count:,} images; if its labels are meant, check data.problem and set "
        f"data.layout to {_as_yaml(_keys(layout), flow=True)}"
    ) + (f". Only then the splits in column {column} are used" if column else "")


def _as_yaml(tree: dict[str, Any], flow: bool | None) -> str:
    text, yaml = StringIO(), cast(Any, YAML(typ="safe", pure=True))
    yaml.sort_base_mapping_type_on_output, yaml.width, yaml.default_flow_style = False, 200, flow
    yaml.dump(tree, text)
    return text.getvalue().rstrip()


def _keys(layout: Layout) -> dict[str, Any]:
    return layout.model_dump(mode="json", exclude_unset=True)


def proposed_data(name: str, found: FolderContents, layout: Layout) -> dict[str, Any]:
    """Returns the section `data` of `params.yaml` for the dataset `name` with this content and layout."""
    classes = {label for of_split in found.classes.values() for label in of_split}
    block: dict[str, Any] = {
        "dataset": name,
        "problem": fitting_problem(has_masks(layout), gives_several_labels(layout), len(classes)),
        "layout": _keys(layout),
    }
    if found.masks:
        block["masks"] = found.masks.block
    return block


def describe_reasons(found: FolderContents) -> list[str]:
    """Returns lines that say for each layout why it does not fit."""
    return ["No layout fits:", *(f"  {kind}: {reason}" for kind, reason in found.reasons.items())]


def _list(counts: dict[str, int]) -> str:
    return f" ({first_of([f'{printable(name)} {count:,}' for name, count in counts.items()], SHOWN)})" if counts else ""
