"""Reading images: orientation, colour modes, bit depths, sizes, batches."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transferline import params
from transferline.data import images
from transferline.data.images import read_batch, read_batches, read_image
from transferline.errors import TransferlineError

SIZE = 32
PHOTOS = Path(__file__).parents[1].parent / "shared" / "data"


def wanted(color="rgb", resize="stretch", size=SIZE):
    return params.Image(size=size, color=color, resize=resize)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def ramp(low, high, dtype):
    """SIZE x SIZE values from low to high, and what they must become."""
    values = np.linspace(low, high, SIZE * SIZE, dtype=np.float64).reshape(SIZE, SIZE).round()
    return values.astype(dtype), np.rint((values - low) * 255 / (high - low))[..., None]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".ppm", ".tif", ".tiff", ".webp"])
@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
def test_an_image_that_has_the_size_keeps_its_pixels(tmp_path, suffix, resize):
    pixels = noise(SIZE, SIZE, 3)
    options = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(pixels).save(tmp_path / f"a{suffix}", **options)
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}", wanted(resize=resize)), pixels)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda a: a),
        (2, np.fliplr),
        (3, lambda a: np.rot90(a, 2)),
        (4, np.flipud),
        (5, lambda a: np.swapaxes(a, 0, 1)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: np.rot90(np.swapaxes(a, 0, 1), 2)),
        (8, np.rot90),
    ],
)
def test_orientation_is_applied_once(tmp_path, suffix, orientation, upright):
    pixels = noise(SIZE, SIZE, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(pixels).save(tmp_path / f"a{suffix}", exif=exif, **options)
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}", wanted()), upright(pixels))


def test_grayscale_becomes_three_equal_channels_and_color_becomes_luma(tmp_path):
    gray, color = noise(SIZE, SIZE), noise(SIZE, SIZE, 3)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    Image.fromarray(color).save(tmp_path / "color.png")
    np.testing.assert_array_equal(read_image(tmp_path / "gray.png", wanted()), np.stack([gray] * 3, axis=-1))
    luma = read_image(tmp_path / "color.png", wanted("grayscale"))
    assert luma.shape == (SIZE, SIZE, 1)
    np.testing.assert_allclose(luma[..., 0], color @ [0.299, 0.587, 0.114], atol=0.51)  # ITU-R BT.601


def test_transparent_parts_become_white(tmp_path):
    pixels = noise(SIZE, SIZE, 4)
    pixels[..., 3] = 255
    pixels[:8, :, 3] = 0
    pixels[8:16] = (0, 0, 0, 127)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    seen = read_image(tmp_path / "a.png", wanted())
    assert (seen[:8] == 255).all()
    assert (seen[8:16] == 128).all()
    np.testing.assert_array_equal(seen[16:], pixels[16:, :, :3])


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_palette_with_transparency(tmp_path, suffix):
    picture = Image.new("P", (SIZE, SIZE), 1)
    picture.putpalette([255, 0, 0, 10, 200, 30, 0, 0, 255])
    picture.paste(2, (0, 0, 8, SIZE))
    picture.save(tmp_path / f"a{suffix}", transparency=2)
    seen = read_image(tmp_path / f"a{suffix}", wanted())
    assert (seen[:, :8] == 255).all()
    assert (seen[:, 8:] == (10, 200, 30)).all()


def test_a_colour_key_in_a_png_is_transparent_too(tmp_path):
    Image.new("RGB", (SIZE, SIZE), (1, 2, 3)).save(tmp_path / "a.png", transparency=(1, 2, 3))
    assert (read_image(tmp_path / "a.png", wanted()) == 255).all()


def test_gray_with_alpha(tmp_path):
    Image.fromarray(np.full((SIZE, SIZE, 2), (100, 0), np.uint8), "LA").save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png", wanted("grayscale")) == 255).all()


def test_one_bit(tmp_path):
    bits = noise(SIZE, SIZE) > 127
    Image.fromarray(bits).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", wanted("grayscale"))[..., 0], bits * 255)


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk(tmp_path, suffix):
    Image.new("CMYK", (SIZE, SIZE), (0, 255, 255, 0)).save(tmp_path / f"a{suffix}", quality=100)
    np.testing.assert_allclose(
        read_image(tmp_path / f"a{suffix}", wanted()), np.full((SIZE, SIZE, 3), (255, 0, 0)), atol=3
    )


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_gray_is_scaled_by_the_range_of_the_type(tmp_path, suffix):
    values, expected = ramp(0, 65535, np.uint16)
    Image.fromarray(values).save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}", wanted("grayscale")), expected)
    dark = (values // 16).astype(np.uint16)
    Image.fromarray(dark).save(tmp_path / f"dark{suffix}")
    assert read_image(tmp_path / f"dark{suffix}", wanted()).max() == 16


def test_16_bit_gray_pgm(tmp_path):
    values, expected = ramp(0, 65535, ">u2")
    (tmp_path / "a.ppm").write_bytes(f"P5 {SIZE} {SIZE} 65535\n".encode() + values.tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "a.ppm", wanted("grayscale")), expected)


@pytest.mark.parametrize(("bits", "dtype"), [(16, np.int16), (32, np.int32)])
def test_signed_integers_in_a_tiff(tmp_path, bits, dtype):
    values, expected = ramp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, dtype)
    (tmp_path / "a.tif").write_bytes(tiff(values, sample_format=2))
    np.testing.assert_allclose(read_image(tmp_path / "a.tif", wanted("grayscale")), expected)


def test_16_bit_color_keeps_its_range(tmp_path):
    values = np.random.default_rng(1).integers(0, 65536, (SIZE, SIZE, 3), dtype=np.uint16)
    (tmp_path / "a.tif").write_bytes(tiff(values, sample_format=1))
    np.testing.assert_allclose(read_image(tmp_path / "a.tif", wanted()), values / 257, atol=1)


def tiff(values, sample_format):
    """A little-endian baseline TIFF, uncompressed, in one strip: Pillow writes no signed and no 16-bit colour ones."""
    channels = values.shape[2] if values.ndim == 3 else 1
    bits = values.dtype.itemsize * 8
    tags = {256: SIZE, 257: SIZE, 258: bits, 259: 1, 262: 2 if channels == 3 else 1, 273: 512, 277: channels}
    tags |= {278: SIZE, 279: values.nbytes, 339: sample_format}
    head = b"II*\0" + (8).to_bytes(4, "little") + len(tags).to_bytes(2, "little")
    triple = 256
    for tag, value in tags.items():
        many = channels == 3 and tag in (258, 339)
        number = triple if many else value
        head += tag.to_bytes(2, "little") + (3 if many else 4).to_bytes(2, "little")
        head += (3 if many else 1).to_bytes(4, "little") + number.to_bytes(4, "little")
        triple += 16 if many else 0
    head = (head + bytes(4)).ljust(256, b"\0")
    head += (bits.to_bytes(2, "little") * 3).ljust(16, b"\0") + sample_format.to_bytes(2, "little") * 3
    return head.ljust(512, b"\0") + values.astype(values.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".webp", ".png"])
def test_only_the_first_frame_counts(tmp_path, suffix):
    red, blue = Image.new("RGB", (SIZE, SIZE), "red"), Image.new("RGB", (SIZE, SIZE), "blue")
    options = {"lossless": True} if suffix == ".webp" else {}
    red.save(tmp_path / f"a{suffix}", save_all=True, append_images=[blue], **options)
    assert (read_image(tmp_path / f"a{suffix}", wanted()) == (255, 0, 0)).all()


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

    def read(path, image):
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
