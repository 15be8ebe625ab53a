"""Draws with matplotlib's `Figure` class directly, without a window system or global state."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BLUE, ORANGE, GREY = "#1f6fb4", "#d95f02", "#767676"


def short(name: str) -> str:
    """Returns the name, shortened to 22 characters for a label in a picture."""
    return name if len(name) <= 22 else name[:21] + "…"


@contextmanager
def picture(path: Path, width: float, height: float) -> Iterator[Any]:
    """Yields a matplotlib figure of `width` by `height` inches and saves it as PNG. It overwrites an existing file.

    Text is drawn literally: a `$` does not start a formula, and a character without a glyph causes no warning.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure = Figure(figsize=(width, height), layout="constrained", dpi=110)
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Software": None})
