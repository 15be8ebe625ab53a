"""The parts of a section of the page, in the words of the template `page.html`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Text:
    """A paragraph. `tone` is "", "good", "bad" or "muted"."""

    kind: ClassVar = "text"
    text: str
    tone: str = ""


@dataclass(frozen=True)
class Bar:
    """A value with its interval as a drawing in a cell of a table.

    Attributes:
        text: the values as text.
        point, low, high: positions from 0 to 100; None where there is no interval.
        zero: the position of a line, such as that of no change; None without one.
    """

    text: str
    point: float
    low: float | None = None
    high: float | None = None
    zero: float | None = None


@dataclass(frozen=True)
class Table:
    """A table; `marked` is the number of the row that is emphasized, `toned` that of the column with verdicts."""

    kind: ClassVar = "table"
    heads: Sequence[str]
    rows: Sequence[Sequence[str | Bar]]
    caption: str = ""
    marked: int | None = None
    toned: int | None = None


@dataclass(frozen=True)
class Picture:
    """A picture: its data URI, its alternative text and what it shows."""

    kind: ClassVar = "picture"
    source: str
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Tile:
    """A small picture with lines of text below it."""

    source: str
    alt: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Tiles:
    """Small pictures side by side. In `groups` of more than one picture, these stay together."""

    kind: ClassVar = "tiles"
    groups: Sequence[Sequence[Tile]]
    caption: str = ""


@dataclass(frozen=True)
class Link:
    """A link to another page, relative to the folder of this page."""

    kind: ClassVar = "link"
    address: str
    text: str


Block = Text | Table | Picture | Tiles | Link
