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
    return {unicodedata.normalize("NFC", name): name for name in same} | same


def in_known_form(name: str, known: Mapping[str, str]) -> str | None:
    """Returns a name in the Unicode form in which it is in `known`, see `by_form`; None if it is not."""
    return known.get(name) or known.get(unicodedata.normalize("NFC", name))


def places(cells: Iterable[str], images: Sequence[str]) -> Counter[tuple[str, str]]:
    """Counts how many of `cells` name one of `images` with each folder and suffix that the cells may lack.

    Returns:
        The number of cells by folder and suffix. Both are empty for complete paths.
    """
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for image in images:
        name = PurePosixPath(image)
        by_name[name.name].append(image)
        by_name[name.stem].append(image)
    found: Counter[tuple[str, str]] = Counter()
    for cell in filter(None, cells):
        path = full_path(cell)
        ends = by_name[path.rpartition("/")[2]]
        found.update({place for image in ends for place in [_place(path, image)] if place})
    return found


def _place(path: str, image: str) -> tuple[str, str] | None:
    for suffix in ("", PurePosixPath(image).suffix):
        whole = path + suffix
        if image == whole:
            return "", suffix
        if image.endswith(f"/{whole}"):
            return image.removesuffix(f"/{whole}"), suffix
    return None
