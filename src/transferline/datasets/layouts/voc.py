"""The layout `voc` of PASCAL VOC: `JPEGImages`, `Annotations`, and lists of names in `ImageSets`."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Literal, get_args
from xml.etree import ElementTree

from transferline.datasets.file_names import is_image_file
from transferline.datasets.layouts.contents import Contents, ProposedLayout
from transferline.datasets.layouts.listing import Listing, listing_table, usual_splits
from transferline.datasets.layouts.table_paths import composed
from transferline.datasets.tables import SEPARATOR, join_names
from transferline.errors import TransferlineError
from transferline.params import Split, Voc
from transferline.text import first_of, reason_of

IMAGES, ANNOTATIONS, LISTS, CLASS_LISTS = "JPEGImages", "Annotations", "ImageSets", "ImageSets/Main"
MASKS = "SegmentationClass"
DESCRIBING = (ANNOTATIONS, LISTS, MASKS, "SegmentationObject")  # folders without images of the dataset
SHOWN = 10  # faults in a message


def read_voc(raw: Path, paths: list[str], layout: Voc) -> Listing:
    """Lists the images with label and split, and the classes that `ImageSets/Main` declares.

    An image without an annotation has no label. If the layout names lists of splits, an image that is in none of them
    has no label either. A name without an image gets a row with the image's expected path.

    With masks, every image in the lists (without lists, every image) should have a mask. The labels are then empty:
    `datasets/masks.py` reads them from the masks.

    Raises:
        TransferlineError: a folder, list or annotation is missing or wrong. The message names all faults.
    """
    faults = [f"no folder {needed}" for needed in _folders(layout) if not (raw / needed).is_dir()]
    images = _images(raw, paths, faults)
    splits = _splits(raw, layout, faults)
    classes: set[str] = set()
    masks = {composed(file.stem): file.name for file in (raw / MASKS).glob("[!.]*.png")}
    if layout.labels == "masks":
        labels: dict[str, set[str]] = {name: set() for name in splits or {*images, *masks}}
    elif layout.labels == "annotations":
        labels = _from_annotations(raw, splits, faults)
    else:
        labels, classes = _from_class_lists(raw, layout, faults)
    used = {name for present in labels.values() for name in present} | classes
    faults += [
        f"the name of the class {name!r} holds {SEPARATOR}, which separates labels in the manifest"
        for name in sorted(used)
        if SEPARATOR in name
    ]
    if faults:
        raise TransferlineError(f"{raw} is not laid out like PASCAL VOC:\n  " + first_of(faults, SHOWN, "\n  "))
    rows: dict[str, tuple[str | None, Split | None]] = {}
    for name in {*images, *(splits or labels)}:
        is_labelled = name in labels and (name in splits or not splits)
        label = join_names(labels[name]) if is_labelled else None
        rows[images.get(name, f"{IMAGES}/{name}.jpg")] = label, splits.get(name)
    table = listing_table([path for path in paths if path.partition("/")[0] not in DESCRIBING], rows)
    if layout.labels == "masks":
        names = table["path"].map(lambda path: composed(PurePosixPath(path).stem))
        table["mask"] = (f"{MASKS}/" + names.map(lambda name: masks.get(name, f"{name}.png"))).where(
            table["label"].notna()
        )
    return Listing(table, classes=tuple(sorted(classes)))


def _folders(layout: Voc) -> tuple[str, str]:
    return IMAGES, {"annotations": ANNOTATIONS, "image_sets": CLASS_LISTS, "masks": MASKS}[layout.labels]


def _images(raw: Path, paths: Iterable[str], faults: list[str]) -> dict[str, str]:
    """Returns the paths of the images by name, in Unicode's composed form as all names here."""
    found: dict[str, str] = {}
    for path in map(PurePosixPath, sorted(paths)):
        if str(path.parent) == IMAGES and is_image_file(raw, str(path)):
            if (name := composed(path.stem)) in found:
                faults.append(f"{found[name]} and {path} have the same name; keep one of them")
            found[name] = str(path)
    return found


def _splits(raw: Path, layout: Voc, faults: list[str]) -> dict[str, Split]:
    """Returns the split of each name in the layout's lists; empty if the layout names no list."""
    found: dict[str, Split] = {}
    for split in get_args(Split):
        named = getattr(layout, split)
        if named is None:
            continue
        file = raw / LISTS / f"{named}.txt"
        if not file.is_file():
            there = first_of(split_lists(raw), SHOWN) or "none"
            faults.append(f"no list {LISTS}/{named}.txt for {split}; there are: {there}")
            continue
        names = _lines(file)
        if not names:
            faults.append(f"{LISTS}/{named}.txt is empty")
        for name in names:
            if "/" in name:
                faults.append(f"{LISTS}/{named}.txt: {name!r} is a path; use a name, without folder and suffix")
            elif found.setdefault(name, split) != split:
                faults.append(f"{LISTS}/{named}.txt: {name} is in the list of {found[name]} too")
    return found


def split_lists(raw: Path) -> list[str]:
    """Returns the lists of names in `ImageSets`, such as `Main/train`, without the lists of classes."""
    files = sorted((raw / LISTS).glob("*/[!._]*.txt"))
    return [f"{file.parent.name}/{file.stem}" for file in files if "_" not in file.stem]


def _from_annotations(raw: Path, splits: Iterable[str], faults: list[str]) -> dict[str, set[str]]:
    """Returns the classes of each annotated image, without difficult objects; with splits only of their images."""
    wanted = set(splits)
    files = {composed(file.stem): file for file in sorted((raw / ANNOTATIONS).glob("[!.]*.xml"))}
    return {name: _objects(file, faults) for name, file in files.items() if not wanted or name in wanted}


def _objects(file: Path, faults: list[str]) -> set[str]:
    """Returns the classes of the objects in an annotation that are not difficult.

    The parser, Expat, is safe for unknown files: it limits the expansion of entities and loads no external ones.
    """
    try:
        objects = ElementTree.parse(file).getroot().findall("object")
    except (ElementTree.ParseError, OSError, ValueError, LookupError) as error:
        faults.append(f"{ANNOTATIONS}/{file.name}: {reason_of(error)}")
        return set()
    names = [_text(item, "name") for item in objects if _text(item, "difficult") != "1"]
    if "" in names:
        faults.append(f"{ANNOTATIONS}/{file.name}: an object without a name")
    return set(names)


def _text(item: ElementTree.Element, tag: str) -> str:
    return (item.findtext(tag) or "").strip()


def _from_class_lists(raw: Path, layout: Voc, faults: list[str]) -> tuple[dict[str, set[str]], set[str]]:
    """Returns the classes of each name in the lists `<class>_<list>.txt`, and the set of all classes."""
    splits = {f"{LISTS}/{named}" for named in (layout.train, layout.validation, layout.test)}
    files = [
        file for file in sorted((raw / CLASS_LISTS).glob("[!.]*_*.txt")) if f"{CLASS_LISTS}/{file.stem}" not in splits
    ]
    if not files:
        faults.append(f"no list {CLASS_LISTS}/<class>_<list>.txt")
    present: dict[str, dict[str, bool]] = {}
    for file in files:
        of_class = file.stem.rpartition("_")[0]
        for line in _lines(file):
            name, *value = line.split()
            if value not in (["1"], ["0"], ["-1"]):
                faults.append(f"{CLASS_LISTS}/{file.name}: {line!r} is not a name followed by 1, 0 or -1")
            elif present.setdefault(name, {}).setdefault(of_class, value == ["1"]) != (value == ["1"]):
                faults.append(f"{CLASS_LISTS}/{file.name}: {name} has another value in another list of {of_class}")
    classes = {file.stem.rpartition("_")[0] for file in files}
    faults += [
        f"{CLASS_LISTS}: {name} is in no list of {', '.join(sorted(classes - set(values)))}"
        for name, values in present.items()
        if classes - set(values)
    ]
    return {name: {one for one, is_there in values.items() if is_there} for name, values in present.items()}, classes


def _lines(file: Path) -> list[str]:
    return [composed(line.strip()) for line in file.read_text("utf-8-sig", "replace").splitlines() if line.strip()]


def propose_voc(contents: Contents) -> ProposedLayout | str:
    """Returns the layout if there is a folder `JPEGImages`, and annotations, lists or masks; else why not."""
    folder = contents.folder
    if not (folder / IMAGES).is_dir():
        return f"there is no folder {IMAGES}"
    if next((folder / ANNOTATIONS).glob("*.xml"), None):
        labels: Literal["annotations", "image_sets", "masks"] = "annotations"
    elif next((folder / CLASS_LISTS).glob("*_*.txt"), None):
        labels = "image_sets"
    elif next((folder / MASKS).glob("*.png"), None):
        labels = "masks"
    else:
        return f"beside {IMAGES} there are neither {ANNOTATIONS}/*.xml nor {CLASS_LISTS}/*_*.txt nor {MASKS}/*.png"
    listed = split_lists(folder)
    splits = [usual_splits({name.removeprefix(task): name for name in listed}) for task in ("Main/", "Segmentation/")]
    lists = splits[0] or splits[1] or {"train": None, "validation": None, "test": None}
    return ProposedLayout(Voc(kind="voc", labels=labels, **lists))
