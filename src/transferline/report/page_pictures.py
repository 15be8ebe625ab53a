"""Pictures inside the page, as data URIs: small photographs, pictures of other stages, and charts."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from transferline.arrays import Pixels
from transferline.datasets.images import open_upright
from transferline.errors import TransferlineError
from transferline.insight.explanation_pictures import data_uri
from transferline.plots import picture
from transferline.report.blocks import Bar, Picture, Tile
from transferline.text import printable, with_interval

SIDE, QUALITY = 160, 72  # of a photograph
WIDEST, MOST_BYTES = 1400, 300_000  # of a picture of another stage; the page stays far below 10 MB


def tile(file: Path | Pixels, alt: str, *lines: str) -> Tile:
    """Returns a small photograph, a file or pixels; a file that cannot be read becomes a grey box."""
    try:
        image = open_upright(file, SIDE, "rgb") if isinstance(file, Path) else Image.fromarray(file).convert("RGB")
    except TransferlineError:
        image = Image.new("RGB", (SIDE, SIDE), "lightgrey")
    image.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY)
    return Tile(data_uri(stream.getvalue(), "jpeg"), alt, [printable(line) for line in lines])


def stored(file: Path, alt: str, caption: str = "") -> list[Picture]:
    """Returns a PNG that another stage wrote, smaller if it is large; nothing if the file is missing."""
    if not file.is_file():
        return []
    content, kind = file.read_bytes(), "png"
    with Image.open(file) as opened:
        if len(content) > MOST_BYTES or opened.width > WIDEST:
            content, kind = _smaller(opened.convert("RGB")), "jpeg"
    return [Picture(data_uri(content, kind), alt, caption)]


def _smaller(image: Image.Image) -> bytes:
    """Returns a JPEG of at most `MOST_BYTES`."""
    image.thumbnail((WIDEST, 4 * WIDEST))
    while True:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=QUALITY)
        if len(stream.getvalue()) <= MOST_BYTES:
            return stream.getvalue()
        image = image.resize((max(image.width * 3 // 4, 1), max(image.height * 3 // 4, 1)))


def chart(draw: Callable[[Any], None], width: float, height: float, alt: str, caption: str = "") -> Picture:
    """Returns what `draw` draws into a figure of matplotlib, `width` by `height` inches."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "chart.png"
        with picture(file, width, height) as figure:
            draw(figure)
        return Picture(data_uri(file.read_bytes(), "png"), alt, caption)


def bar(value: float | None, low: float | None, high: float | None, text: str, ends: tuple[float, float]) -> Bar | str:
    """Returns a value with its interval, drawn on an axis between the two `ends`; without a value, a dash."""
    if value is None:
        return "–"
    start, end = ends

    def place(number: float | None) -> float | None:
        return None if number is None else round(100 * min(max((number - start) / (end - start or 1), 0), 1), 1)

    return Bar(text, place(value) or 0.0, place(low), place(high), place(0.0) if start < 0 < end else None)


def share(value: float | None, low: float | None = None, high: float | None = None) -> Bar | str:
    """Returns a value from 0 to 1 with its interval, as text and as a drawing."""
    return bar(value, low, high, with_interval(value or 0, low, high, 3), (0, 1))
