"""Draws with matplotlib's `Figure` class directly, without a window system or global state."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transferline.fonts import LATIN, drawable, families

# Okabe and Ito, Color Universal Design, 2008: also colour-blind readers can tell these colours apart.
BLUE, ORANGE, GREEN, PURPLE, YELLOW, SKY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"
GREY = "#767676"
LINES = (BLUE, ORANGE, GREEN, PURPLE, YELLOW, SKY)


def short(name: str) -> str:
    """Returns the name, shortened to 22 characters for a label in a picture."""
    return name if len(name) <= 22 else name[:21] + "…"


@contextmanager
def picture(path: Path, width: float, height: float) -> Iterator[Any]:
    """Yields a matplotlib figure of `width` by `height` inches and saves it as PNG. It overwrites an existing file.

    Text is drawn literally: a `$` does not start a formula. A character that no font has is drawn as its code point.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"text.parse_math": False, "axes.titlesize": 11}):
        figure = Figure(figsize=(width, height), layout="constrained", dpi=110)
        yield figure
        _choose_fonts(figure)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Software": None})


def _choose_fonts(figure: Any) -> None:
    """Lets matplotlib draw all letters of a figure's texts."""
    import matplotlib
    from matplotlib.text import Text

    texts = figure.findobj(Text)
    if all(max(text.get_text(), default="") <= LATIN for text in texts):
        return
    for axes in figure.findobj(matplotlib.axes.Axes):
        for axis in (axes.xaxis, axes.yaxis):
            labels = [label.get_text() for label in axis.get_ticklabels()]
            if labels != [drawable(label) for label in labels]:
                axis.set_ticks(axis.get_ticklocs(), [drawable(label) for label in labels])
    names = families(text.get_text() for text in texts)
    for text in figure.findobj(Text):
        text.set_text(drawable(text.get_text()))
        text.set_fontfamily(names)
