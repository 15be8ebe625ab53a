"""The size of a dataset's photographs."""

import pytest
from PIL import Image

from transferline.datasets import image_sides
from transferline.datasets.image_sides import SAMPLES, median_side


def test_it_is_the_median_of_the_longer_sides_of_the_images_that_can_be_opened(tmp_path):
    for name, size in (("a.png", (10, 20)), ("b.png", (40, 30)), ("c.png", (50, 1))):
        Image.new("RGB", size).save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"no image")
    assert median_side(tmp_path, ["a.png", "b.png", "broken.png", "c.png"]) == 40
    assert median_side(tmp_path, ["broken.png", "missing.png"]) is None
    assert median_side(tmp_path, []) is None


@pytest.mark.parametrize("count", [SAMPLES, SAMPLES + 1, 3 * SAMPLES])
def test_of_many_images_some_are_opened(tmp_path, monkeypatch, count):
    opened = []
    monkeypatch.setattr(image_sides, "open_picture", lambda content, *_: opened.append(content) or Image.open(file))
    Image.new("RGB", (64, 48)).save(file := tmp_path / "one.png")
    assert median_side(tmp_path, ["one.png"] * count) == 64
    assert SAMPLES / 2 < len(opened) <= SAMPLES
