"""Names in any script are drawn: with a font of the system, or else as code points."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.text import Text
from PIL import Image

from transferline import fonts
from transferline.datasets.contact_sheet import Tile, contact_sheet
from transferline.plots import picture

STIX = fonts.dejavu().with_name("STIXGeneral.ttf")
ONLY_STIX = next(
    chr(point)
    for point in sorted(font_manager.get_font(str(STIX)).get_charmap())
    if point > ord(fonts.LATIN)
    and unicodedata.category(chr(point)) == "Sm"
    and point not in font_manager.get_font(str(fonts.dejavu())).get_charmap()
)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The fonts of the system, which a test can change."""
    found: list[Path] = []
    monkeypatch.setattr(fonts, "system_fonts", lambda: tuple(found))
    for cached in (fonts._font_with, fonts._note):
        cached.cache_clear()
    yield found
    fonts._font_with.cache_clear()


def test_a_letter_that_no_font_has_is_its_code_point_with_a_note(
    installed: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fonts.drawable("cat café Ωж") == "cat café Ωж" and not capsys.readouterr().err
    assert fonts.drawable("猫") == "U+732B" and fonts.drawable("猫 1\n猫狗") == "U+732B 1\nU+732B U+72D7"
    assert "no font of this system has some letters" in capsys.readouterr().err
    assert fonts.drawable("🐱\U000e0067") == "🐱"


def test_a_font_of_the_system_is_used(installed: list[Path], tmp_path: Path) -> None:
    assert fonts.drawable(ONLY_STIX).startswith("U+")
    fonts._font_with.cache_clear()
    installed += [tmp_path / "broken.ttf", STIX]
    installed[0].write_bytes(b"no font")
    assert fonts.drawable(ONLY_STIX) == ONLY_STIX and fonts.font_of(ONLY_STIX) == STIX
    assert fonts.families(["a", ONLY_STIX]) == ["DejaVu Sans", "STIXGeneral"]


@pytest.mark.filterwarnings("error")
def test_pictures_hold_no_empty_boxes(installed: list[Path], tmp_path: Path) -> None:
    with picture(tmp_path / "plot.png", 3, 2) as figure:
        axes = figure.subplots()
        axes.barh([0, 1], [1, 2])
        axes.set_yticks([0, 1], ["猫", "dog"])
        axes.set_title("한")
    texts = {text.get_text() for text in figure.findobj(Text)}
    assert {"U+732B", "dog", "U+D55C"} <= texts
    for name, caption in (
        ("cjk", "猫\n狗"),
        ("points", "U+732B\nU+72D7"),
        ("latin1", "a\udce9"),
        ("escaped", r"a\xe9"),
    ):
        contact_sheet([Tile(None, caption)], tmp_path / f"{name}.png", 1, caption.partition("\n")[0])
    sheets = {name: np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("cjk", "points", "latin1", "escaped")}
    assert (sheets["cjk"] == sheets["points"]).all() and (sheets["latin1"] == sheets["escaped"]).all()
