"""The paths of images in tables, which often lack the folder or the suffix."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath


def full_path(cell: str, folder: str | None = None, suffix: str | None = None) -> str:
    """Returns the path of an image in the dataset's folder; backslashes become slashes. An empty cell stays empty."""
    slashed = cell.replace("\\", "/")
    return PurePosixPath(folder or "", slashed + (suffix or "")).as_posix() if cell else ""


def as_on_disk(paths: Iterable[str], there: Iterable[str]) -> list[str]:
    """Returns `paths` in the Unicode form in which they are `there`."""
    known = by_form(there)
    return [in_known_form(path, known) or path for path in paths]


def by_form(names: Iterable[str]) -> dict[str, str]:
    """Returns `names` by themselves and by their composed form (NFC): macOS decomposes accents in names of files."""
    same = {name: name for name in names}
    return {composed(name): name for name in same} | same


def in_known_form(name: str, known: Mapping[str, str]) -> str | None:
    """Returns a name in the Unicode form in which it is in `known`, see `by_form`; None if it is not."""
    return known.get(name) or known.get(composed(name))


def composed(text: str) -> str:
    """Returns a text in Unicode's composed form, NFC."""
    return unicodedata.normalize("NFC", text)


def places(cells: Iterable[str], images: Sequence[str]) -> Counter[tuple[str, str]]:
    """Counts how many of `cells` name one of `images`, in any Unicode form, with each folder and suffix that they lack.

    Returns:
        The number of cells by folder and suffix. Both are empty for complete paths.
    """
    by_name = _by_name(images)
    return Counter(place for cell in cells for place in _named(cell, by_name).values())


def fault_of_case(column: str, cells: Iterable[str], images: Sequence[str]) -> str:
    """Returns a message about the first of `cells` that names one of `images` only in another case; "" if none does."""
    by_name, by_lower = _by_name(images), _by_name([image.lower() for image in images])
    for cell in cells:
        if not _named(cell, by_name) and (found := _named(cell.lower(), by_lower)):
            image = next(image for image in images if composed(image.lower()) == next(iter(found)))
            return f"column {column} names images in another case: {cell}, but there is {image}; correct the table"
    return ""


def _by_name(images: Iterable[str]) -> dict[str, list[str]]:
    """Returns the images, in the form NFC, by their names with and without suffix."""
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for image in map(composed, images):
        name = PurePosixPath(image)
        by_name[name.name].append(image)
        by_name[name.stem].append(image)
    return by_name


def _named(cell: str, by_name: Mapping[str, list[str]]) -> dict[str, tuple[str, str]]:
    """Returns for each image that a cell names the folder and the suffix that the cell lacks."""
    path = composed(full_path(cell))
    images = by_name.get(path.rpartition("/")[2], []) if cell else []
    return {image: place for image in images if (place := _place(path, image))}


def _place(path: str, image: str) -> tuple[str, str] | None:
    for suffix in ("", PurePosixPath(image).suffix):
        whole = path + suffix
        if image == whole:
            return "", suffix
        if image.endswith(f"/{whole}"):
            return image.removesuffix(f"/{whole}"), suffix
    return None
