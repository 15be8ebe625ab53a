"""The size of a dataset's photographs."""

from PIL import Image

from transferline.datasets.image_sides import SAMPLES, median_side


def test_it_is_the_median_of_the_longer_sides_of_the_images_that_can_be_opened(tmp_path):
    for name, size in (("a.png", (10, 20)), ("b.png", (40, 30)), ("c.png", (50, 1))):
        Image.new("RGB", size).save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"no image")
    assert median_side(tmp_path, ["a.png", "b.png", "broken.png", "c.png"]) == 40
    assert median_side(tmp_path, ["broken.png", "missing.png"]) is None
    assert median_side(tmp_path, []) is None


def test_of_many_images_some_are_opened(tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "one.png")
    few = ["missing.png"] * (3 * SAMPLES)
    few[::3] = ["one.png"] * SAMPLES
    assert median_side(tmp_path, few) == 64
