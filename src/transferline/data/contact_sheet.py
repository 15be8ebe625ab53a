"""Pictures with captions, side by side on one page."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, ImageOps

from transferline.data.base.images import open_upright
from transferline.errors import TransferlineError

SIDE, LINE, MARGIN, LETTERS = 128, 12, 8, 22
TITLE_LINE, FRAME = 18, 4


class Tile(NamedTuple):
    """A picture on the sheet.

    Attributes:
        picture: uint8, (height, width), (height, width, 1) or (height, width, 3), or a file; a grey box stands for
            None and for a file that cannot be read.
        caption: line breaks are kept, long lines are shortened in the middle.
        frame: the colour of a frame around it, and of its caption.
    """

    picture: npt.NDArray[np.uint8] | Path | None
    caption: str
    frame: str | None = None


def contact_sheet(tiles: Sequence[Tile], path: Path, columns: int, title: str = "") -> None:
    """Draws `tiles` in rows of `columns` and writes them to `path` as PNG, which only the finished sheet replaces."""
    lines = max((tile.caption.count("\n") + 1 for tile in tiles), default=0)
    width, height = SIDE + MARGIN, SIDE + LINE * lines + MARGIN
    top = MARGIN + (TITLE_LINE * (title.count("\n") + 1) + MARGIN if title else 0)
    rows = math.ceil(len(tiles) / columns)
    sheet = Image.new("RGB", (columns * width + MARGIN, top + max(rows, 1) * height), "white")
    draw = ImageDraw.Draw(sheet)
    draw.multiline_text((MARGIN, MARGIN), title, "black", ImageFont.load_default(14), spacing=TITLE_LINE - 14)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        _paste(sheet, draw, tile, MARGIN + column * width, top + row * height)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    sheet.save(partial, "PNG")
    partial.replace(path)


def _paste(sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, left: int, top: int) -> None:
    sheet.paste(thumbnail(tile.picture, SIDE), (left, top))
    if tile.frame:
        draw.rectangle((left, top, left + SIDE - 1, top + SIDE - 1), outline=tile.frame, width=FRAME)
    text = "\n".join(map(_shorten, tile.caption.split("\n")))
    font = ImageFont.load_default(10)
    draw.multiline_text((left, top + SIDE + 1), text, tile.frame or "black", font, spacing=1)


def thumbnail(picture: npt.NDArray[np.uint8] | Path | None, side: int) -> Image.Image:
    """A picture (see `Tile`) on a light grey square of `side` pixels, whole, upright and with its aspect ratio kept."""
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


def _shorten(line: str) -> str:
    return line if len(line) <= LETTERS else f"{line[: LETTERS // 2 - 1]}…{line[-LETTERS // 2 :]}"
