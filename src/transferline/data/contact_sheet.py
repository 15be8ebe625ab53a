"""Pictures with captions, side by side on one page."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, ImageOps

Tile = tuple[npt.NDArray[np.uint8] | Path | None, str]

SIDE, LINE, MARGIN, LETTERS = 128, 12, 8, 22


def contact_sheet(tiles: Sequence[Tile], path: Path, columns: int) -> None:
    """Draws `tiles` in rows of `columns` and writes them to `path` as PNG.

    Args:
        tiles: a picture and its caption (line breaks are kept, long lines are shortened in the middle). The picture is
            uint8, (height, width), (height, width, 1) or (height, width, 3), or a file; a grey box stands for None and
            for a file that cannot be read.
        path: replaced only by the finished sheet.
        columns: at least 1.
    """
    lines = max((caption.count("\n") + 1 for _, caption in tiles), default=0)
    width, height = SIDE + MARGIN, SIDE + LINE * lines + MARGIN
    rows = math.ceil(len(tiles) / columns)
    sheet = Image.new("RGB", (columns * width + MARGIN, max(rows, 1) * height + MARGIN), "white")
    font = ImageFont.load_default(10)
    for index, (picture, caption) in enumerate(tiles):
        row, column = divmod(index, columns)
        corner = (MARGIN + column * width, MARGIN + row * height)
        sheet.paste(_thumbnail(picture), corner)
        text = "\n".join(map(_shorten, caption.split("\n")))
        ImageDraw.Draw(sheet).multiline_text((corner[0], corner[1] + SIDE + 1), text, "black", font, spacing=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    sheet.save(partial, "PNG")
    partial.replace(path)


def _thumbnail(picture: npt.NDArray[np.uint8] | Path | None) -> Image.Image:
    try:
        image = Image.fromarray(np.squeeze(picture)) if isinstance(picture, np.ndarray) else _open(picture)
    except Exception:  # Pillow's decoders raise nearly anything on a broken file
        return Image.new("RGB", (SIDE, SIDE), "lightgrey")
    return ImageOps.pad(image.convert("RGB"), (SIDE, SIDE), color="lightgrey")


def _open(path: Path | None) -> Image.Image:
    if path is None or not path.is_file():
        raise FileNotFoundError(path)
    image = Image.open(path)
    image.draft("RGB", (SIDE, SIDE))
    return ImageOps.exif_transpose(image)


def _shorten(line: str) -> str:
    return line if len(line) <= LETTERS else f"{line[: LETTERS // 2 - 1]}…{line[-LETTERS // 2 :]}"
