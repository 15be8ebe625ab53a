"""The fonts for text in pictures: matplotlib's DejaVu, and fonts of the system for letters that DejaVu lacks."""

import sys
import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

LATIN = "\u024f"  # DejaVu has all letters up to this one
VARIATIONS = ("\ufe00", "\ufe0f")  # the first and the last character that selects a form of the one before it


@cache
def dejavu() -> Path:
    """Returns the file of matplotlib's own font."""
    return Path(str(find_spec("matplotlib").origin)).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"  # type: ignore[union-attr]


def drawable(text: str) -> str:
    """Returns text that can be drawn: a character that no font has becomes its code point, such as U+732B."""
    if max(text, default="") <= LATIN:
        return text
    shown = [letter for letter in text if letter <= LATIN or _font_with(letter) or not _is_invisible(letter)]
    points = [letter if letter <= LATIN or _font_with(letter) else f"U+{ord(letter):04X} " for letter in shown]
    return "".join(points).replace("  ", " ").rstrip(" ")


def font_of(letter: str) -> Path:
    """Returns the file of the first font that has a glyph for a character; DejaVu if none has."""
    return dejavu() if letter <= LATIN else _font_with(letter) or dejavu()


def families(texts: Iterable[str]) -> list[str]:
    """Returns the names of the fonts that have the characters of `texts`, for matplotlib."""
    from matplotlib import font_manager

    files = dict.fromkeys([dejavu(), *(font_of(letter) for text in texts for letter in text if letter > LATIN)])
    for file in files:
        font_manager.fontManager.addfont(str(file))
    return list(dict.fromkeys(font_manager.get_font(str(file)).family_name for file in files))


def _is_invisible(letter: str) -> bool:
    return unicodedata.category(letter) == "Cf" or VARIATIONS[0] <= letter <= VARIATIONS[1]  # Cf: such as joiners


@cache
def _font_with(letter: str) -> Path | None:
    found = next((file for file in (dejavu(), *system_fonts()) if ord(letter) in _characters(file)), None)
    if found is None and not _is_invisible(letter):
        _note()
    return found


@cache
def system_fonts() -> tuple[Path, ...]:
    """Returns the fonts that are installed on this system."""
    from matplotlib import font_manager

    return tuple(sorted(map(Path, font_manager.findSystemFonts())))


@cache
def _characters(file: Path) -> frozenset[int]:
    """Returns the code points for which a font has a glyph; none if it cannot be drawn at any size."""
    from matplotlib import ft2font

    try:
        font = ft2font.FT2Font(str(file))
        return frozenset(font.get_charmap()) if font.scalable else frozenset()
    except (OSError, RuntimeError, ValueError):  # a font in another format
        return frozenset()


@cache
def _note() -> None:
    print(
        "note: no font of this system has some letters of the names; pictures show them as code points, such as "
        "U+732B. Install a font that has them, such as the package fonts-noto-cjk",
        file=sys.stderr,
    )
