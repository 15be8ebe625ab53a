"""Reading images: sizes, faulty files, batches."""

import threading
import warnings
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from transferline import params
from transferline.datasets import images
from transferline.datasets.checks.scan import scan
from transferline.datasets.images import read_batch, read_batches, read_image
from transferline.errors import TransferlineError

SIZE = 32
PHOTOS = Path(__file__).parents[1].parent / "shared" / "data"


def wanted(color="rgb", resize="stretch", size=SIZE):
    return params.Image(size=size, color=color, resize=resize)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".ppm", ".tif", ".tiff", ".webp"])
@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
def test_an_image_that_has_the_size_keeps_its_pixels(tmp_path, suffix, resize):
    pixels = noise(SIZE, SIZE, 3)
    options = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(pixels).save(tmp_path / f"a{suffix}", **options)
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}", wanted(resize=resize)), pixels)


def test_stretch_uses_the_whole_image(tmp_path):
    halves = np.zeros((16, 64, 3), np.uint8)
    halves[:, 32:] = 255
    Image.fromarray(halves).save(tmp_path / "a.png")
    seen = read_image(tmp_path / "a.png", wanted())
    assert (seen[:, :15] == 0).all() and (seen[:, 17:] == 255).all()


def test_pad_centres_between_black_borders(tmp_path):
    Image.new("RGB", (64, 32), "white").save(tmp_path / "a.png")
    seen = read_image(tmp_path / "a.png", wanted(resize="pad"))
    assert (seen[:8] == 0).all() and (seen[8:24] == 255).all() and (seen[24:] == 0).all()


def test_crop_cuts_the_centre(tmp_path):
    pixels = noise(SIZE, SIZE + 20, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", wanted(resize="crop")), pixels[:, 10:-10])


def test_shrinking_is_antialiased(tmp_path):
    checkers = np.indices((SIZE * 8, SIZE * 8)).sum(axis=0) % 2 * 255
    Image.fromarray(checkers.astype(np.uint8)).save(tmp_path / "a.png")
    assert np.ptp(read_image(tmp_path / "a.png", wanted())) <= 6


def test_a_large_jpeg_read_at_a_reduced_scale_looks_the_same(tmp_path):
    rough = Image.fromarray(noise(40, 60, 3)).resize((960, 640), Image.Resampling.BICUBIC)
    rough.save(tmp_path / "a.jpg", quality=92)
    whole = Image.open(tmp_path / "a.jpg").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    difference = np.abs(read_image(tmp_path / "a.jpg", wanted()).astype(int) - np.asarray(whole))
    assert difference.mean() < 1 and difference.max() < 12


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_an_unreadable_file_is_named(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(TransferlineError, match=r"bad\.png cannot be read as an image"):
        read_image(tmp_path / "bad.png", wanted())


def test_a_truncated_file_is_refused(tmp_path):
    Image.fromarray(noise(200, 200, 3)).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-2000])
    with pytest.raises(TransferlineError, match=r"cut\.jpg.*truncated"):
        read_image(tmp_path / "cut.jpg", wanted())


def test_a_photograph_of_108_megapixels_is_read(tmp_path):
    """Pillow's own limit would refuse it, or warn."""
    Image.new("L", (12_000, 9_000), 200).save(tmp_path / "large.jpg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (read_image(tmp_path / "large.jpg", wanted()) == 200).all()


def png_of_size(width, height):
    """A PNG whose header gives a size, without pixels."""
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    whole = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + head + crc32(head).to_bytes(4, "big")
    return whole + bytes(4) + b"IDAT" + crc32(b"IDAT").to_bytes(4, "big")


def test_more_pixels_than_the_limit_are_refused_before_they_are_decoded(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_of_size(90_000, 90_000))
    with pytest.raises(TransferlineError, match=r"90000 × 90000 = 8,100,000,000 pixels, more than .* = 200,000,000"):
        read_image(tmp_path / "bomb.png", wanted())
    Image.new("RGB", (40, 30)).save(tmp_path / "small.png")
    with pytest.raises(TransferlineError, match=r"40 × 30 = 1,200 pixels, more than validate\.max_pixels = 1,199"):
        read_image(tmp_path / "small.png", wanted(), 1199)
    assert read_image(tmp_path / "small.png", wanted(), 1200).shape == (SIZE, SIZE, 3)
    found = scan(tmp_path, ["bomb.png", "small.png"], max_pixels=1199)
    assert found["error"].str.startswith("too_large: ").all() and found["luminance_std"].isna().all()


def test_floating_point_pixels_are_refused(tmp_path):
    Image.fromarray(np.ones((SIZE, SIZE), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(TransferlineError, match=r"a\.tif.*floating-point"):
        read_image(tmp_path / "a.tif", wanted())


def test_a_format_that_is_not_allowed_is_refused_whatever_its_name(tmp_path):
    Image.fromarray(noise(SIZE, SIZE, 3)).save(tmp_path / "a.jpg", format="ICO")
    with pytest.raises(TransferlineError, match=r"a\.jpg"):
        read_image(tmp_path / "a.jpg", wanted())


def test_broken_exif_does_not_hide_a_good_photograph(tmp_path):
    Image.new("RGB", (SIZE, SIZE), "white").save(tmp_path / "a.jpg", exif=b"Exif\0\0garbage")
    assert (read_image(tmp_path / "a.jpg", wanted()) == 255).all()


@pytest.mark.parametrize("batch_size", [1, 4, 10, 50])
def test_batches_keep_the_order(tmp_path, batch_size):
    names = [f"{n}.png" for n in range(10)]
    for value, name in enumerate(names):
        Image.new("L", (SIZE, SIZE), value).save(tmp_path / name)
    batches = list(read_batches(tmp_path, names, wanted(), batch_size))
    assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    np.testing.assert_array_equal(np.concatenate(batches)[:, 0, 0, 0], range(10))
    np.testing.assert_array_equal(np.concatenate(batches), read_batch(tmp_path, names, wanted()))


def test_the_next_batch_is_read_while_the_caller_works(tmp_path, monkeypatch):
    second = threading.Event()

    def read(path, image, max_pixels):
        if path.name == "b.png":
            second.set()
        return np.zeros((SIZE, SIZE, 3), np.uint8)

    monkeypatch.setattr(images, "read_image", read)
    batches = images.read_batches(tmp_path, ["a.png", "b.png"], wanted(), 1)
    next(batches)
    assert second.wait(30)


def test_no_paths_make_an_empty_batch(tmp_path):
    assert read_batch(tmp_path, [], wanted("grayscale")).shape == (0, SIZE, SIZE, 1)
    assert list(read_batches(tmp_path, [], wanted(), 4)) == []


def test_a_bad_file_in_a_batch_is_named(tmp_path):
    Image.new("L", (SIZE, SIZE)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"x")
    with pytest.raises(TransferlineError, match=r"bad\.png"):
        read_batch(tmp_path, ["good.png", "bad.png"], wanted())


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs the photographs in ../shared/data")
def test_real_photographs(tmp_path):
    names = [str(path.relative_to(PHOTOS)) for path in sorted(PHOTOS.glob("*/**/0*1.*g"))[:40]]
    names += [str(path.relative_to(PHOTOS)) for path in sorted(PHOTOS.glob("gtsrb/Training/1/*.ppm"))[:10]]
    for resize in ("stretch", "pad", "crop"):
        batch = read_batch(PHOTOS, names, wanted(resize=resize, size=96))
        assert batch.shape == (len(names), 96, 96, 3) and batch.std() > 20
