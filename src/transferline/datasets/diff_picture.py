"""Draws the difference of two versions of a dataset: images that were added, removed, replaced or relabelled."""

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from transferline.datasets.contact_sheet import Tile, contact_sheet, empty_tile
from transferline.datasets.diff import Compared
from transferline.datasets.version_contents import VersionContents
from transferline.datasets.version_difference import Difference, said
from transferline.plots import BLUE, GREEN, ORANGE, PURPLE

COLUMNS, SAMPLES = 8, 24  # pictures of a section
TITLE_LETTERS = 150

Picture = Callable[[str], Path | None]


def draw_difference(compared: Compared, name: str, path: Path) -> int:
    """Draws samples of each kind of change as a PNG. Each kind has its own rows and its own colour of frames.

    Pictures of old versions come from DVC's cache. A picture that is not in the cache is drawn as a grey box.

    Args:
        compared: the compared versions.
        name: the name of the dataset.
        path: the PNG to write.

    Returns:
        The number of grey boxes.
    """
    tiles = [tile for section in _sections(compared) for tile in _whole_rows(section)]
    text = f"{name}, {compared.old} to {compared.new}\n{compared.difference}\n{_legend(compared.difference)}"
    title = "\n".join(line for part in text.split("\n") for line in textwrap.wrap(part, TITLE_LETTERS))
    contact_sheet(tiles, path, COLUMNS, title)
    return sum(tile.picture is None for tile in tiles)


def _sections(compared: Compared) -> Iterator[list[Tile]]:
    found = compared.difference
    old, new = _from_cache(compared, found.before), _from_cache(compared, found.after)
    if workspace := compared.workspace:
        new = lambda path: workspace / path  # noqa: E731
    yield [Tile(new(path), f"+ {_label(found.after, path)}\n{path}", BLUE) for path in _spread(found.added, SAMPLES)]
    yield [
        Tile(old(path), f"- {_label(found.before, path)}\n{path}", ORANGE) for path in _spread(found.removed, SAMPLES)
    ]
    yield [
        Tile(picture, f"{when}: {label}\n{path}", GREEN)
        for path in _spread(found.replaced, SAMPLES // 2)
        for picture, when, label in (
            (old(path), "before", _label(found.before, path)),
            (new(path), "after", _label(found.after, path)),
        )
    ]
    moves = {move.new: move for move in found.relabelled}
    yield [
        Tile(new(path), f"{said(moves[path].label_before)} to {said(moves[path].label_after)}\n{path}", PURPLE)
        for path in _spread(tuple(moves), SAMPLES)
    ]


def _from_cache(compared: Compared, contents: VersionContents) -> Picture:
    return lambda path: compared.cache.find(contents.files[path])


def _label(contents: VersionContents, path: str) -> str:
    return said(contents.labels.get(path))


def _spread(paths: tuple[str, ...], most: int) -> list[str]:
    """Returns at most `most` of `paths`, evenly spaced, so that all classes are represented."""
    chosen = np.linspace(0, len(paths) - 1, min(most, len(paths))).round().astype(int)
    return [paths[index] for index in chosen]


def _whole_rows(tiles: list[Tile]) -> list[Tile]:
    """Adds white tiles at the end, so that the next section starts a new row."""
    return tiles + [empty_tile()] * (-len(tiles) % COLUMNS)


def _legend(found: Difference) -> str:
    counts = {
        "blue +: added": (len(found.added), SAMPLES),
        "orange -: removed": (len(found.removed), SAMPLES),
        "green: replaced, before and after": (len(found.replaced), SAMPLES // 2),
        "purple: relabelled": (len(found.relabelled), SAMPLES),
    }
    parts = {kind: f"{most} of {count:,}" if count > most else f"{count}" for kind, (count, most) in counts.items()}
    return "; ".join(f"{kind} ({part})" for kind, part in parts.items() if part != "0")
