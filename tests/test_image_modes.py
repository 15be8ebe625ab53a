"""Reading images: orientation, colour modes, bit depths, frames."""

import numpy as np
import pytest
from PIL import Image

from tests.test_images import SIZE, noise, wanted
from transferline.datasets.images import read_image


def ramp(low, high, dtype):
    """SIZE x SIZE values from low to high, and what they must become."""
    values = np.linspace(low, high, SIZE * SIZE, dtype=np.float64).reshape(SIZE, SIZE).round()
    return values.astype(dtype), np.rint((values - low) * 255 / (high - low))[..., None]


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
