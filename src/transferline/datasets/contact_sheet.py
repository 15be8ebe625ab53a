"""Draws pictures with captions side by side on one sheet."""

import math
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from transferline.arrays import Pixels
from transferline.atomic_files import completed
from transferline.datasets.images import open_upright
from transferline.errors import TransferlineError
from transferline.fonts import dejavu, drawable, font_of
from transferline.text import printable

SIDE, LINE, MARGIN, LETTERS = 144, 15, 8, 22
LARGE = 200  # side of pictures that people look at one by one
TITLE_LINE, TITLE_SIZE, TEXT_SIZE, FRAME = 20, 14, 11, 4


class Tile(NamedTuple):
    """A picture on the sheet.

    Attributes:
        picture: an array, (height, width), (height, width, 1) or (height, width, 3) uint8, or a file. None and a file
            that cannot be read are drawn as a grey box.
        caption: the text below the picture. Line breaks are kept; long lines are shortened in the middle.
        frame: the colour of the picture's frame and of its caption; None for no frame and a black caption.
        colors: the colours of the caption's lines, if they differ.
    """

    picture: Pixels | Path | None
    caption: str
    frame: str | None = None
    colors: Sequence[str] = ()


def empty_tile() -> Tile:
    """Returns a white tile, which fills a row so that the next tile starts a new one."""
    return Tile(np.full((SIDE, SIDE, 3), 255, np.uint8), "")


def contact_sheet(tiles: Sequence[Tile], path: Path, columns: int, title: str = "", side: int = SIDE) -> None:
    """Draws `tiles`, squares of `side` pixels, in rows of `columns` and writes them as a PNG.

    The finished sheet replaces the file `path`.
    """
    lines = max((tile.caption.count("\n") + 1 for tile in tiles), default=0)
    width, height = side + MARGIN, side + LINE * lines + MARGIN
    top = MARGIN + (TITLE_LINE * (title.count("\n") + 1) + MARGIN if title else 0)
    rows = math.ceil(len(tiles) / columns)
    sheet = Image.new("RGB", (columns * width + MARGIN, top + max(rows, 1) * height), "white")
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(drawable(printable(title)).split("\n")):
        _write(draw, (MARGIN, MARGIN + TITLE_LINE * number), line, "black", TITLE_SIZE)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        _paste(sheet, draw, tile, (MARGIN + column * width, top + row * height), side)
    with completed(path) as partial:
        sheet.save(partial, "PNG")


@cache
def _font(size: int, file: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)


def _write(draw: ImageDraw.ImageDraw, corner: tuple[float, float], line: str, color: str, size: int) -> None:
    """Draws a line of text, each letter with the first font that has it."""
    left, top = corner
    for file, letters in groupby(line, font_of):
        run, font = "".join(letters), _font(size, file)
        baseline = top + _font(size, dejavu()).getmetrics()[0]
        draw.text((left, baseline), run, color, font, anchor="ls")
        left += font.getlength(run)


def _paste(sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, corner: tuple[int, int], side: int) -> None:
    left, top = corner
    sheet.paste(thumbnail(tile.picture, side), corner)
    if tile.frame:
        draw.rectangle((left, top, left + side - 1, top + side - 1), outline=tile.frame, width=FRAME)
    lines, letters = drawable(printable(tile.caption)).split("\n"), LETTERS * side // SIDE
    colors = tile.colors or [tile.frame or "black"] * len(lines)
    for number, (line, color) in enumerate(zip(lines, colors, strict=True)):
        _write(draw, (left, top + side + 1 + LINE * number), _shorten(line, letters), color, TEXT_SIZE)


def thumbnail(picture: Pixels | Path | None, side: int) -> Image.Image:
    """Returns a picture (see `Tile`) on a light grey square of `side` pixels: complete, upright and not distorted."""
    try:
        if picture is None:
            image = Image.new("RGB", (side, side), "lightgrey")
        elif isinstance(picture, Path):
            image = open_upright(picture, side, "rgb")
        else:
            image = Image.fromarray(np.squeeze(picture)).convert("RGB")
    except TransferlineError:
        image = Image.new("RGB", (side, side), "lightgrey")
    return ImageOps.pad(image, (side, side), color="lightgrey")


def _shorten(line: str, letters: int) -> str:
    return line if len(line) <= letters else f"{line[: letters // 2 - 1]}…{line[-letters // 2 :]}"
