"""Formats of files: what is read, and what is named instead."""

import base64
import io
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.heic_files import HEIC
from tests.test_image_modes import tiff
from tests.test_images import noise, wanted
from tests.test_masks import VALIDATE
from transferline import params
from transferline.datasets.checks.scan import scan
from transferline.datasets.checks.validation import validate_dataset
from transferline.datasets.file_formats import FORMAT_OF_SUFFIX, NOT_READ, RAW_FORMAT, READ, recognize
from transferline.datasets.images import read_image
from transferline.errors import TransferlineError
from transferline.params import Validate

SIZE = 32


def heic(name):
    return base64.b64decode(HEIC[name])


def encoded(kind, **options):
    stream = io.BytesIO()
    Image.fromarray(noise(SIZE, SIZE, 3)).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("name", ["a.heic", "a.HEIC", "a.jpg", "a"])
def test_heic_is_read_whatever_its_name(tmp_path, name):
    (tmp_path / name).write_bytes(heic("plain"))
    pixels = read_image(tmp_path / name, wanted())
    np.testing.assert_allclose(pixels[4, 4], (200, 30, 30), atol=12)
    np.testing.assert_allclose(pixels[4, -4], (30, 200, 30), atol=12)


def test_heic_is_turned_once(tmp_path):
    (tmp_path / "a.heic").write_bytes(heic("turned"))
    pixels = read_image(tmp_path / "a.heic", wanted())
    np.testing.assert_allclose(pixels[4], np.full((SIZE, 3), (200, 30, 30)), atol=12)  # red on top
    np.testing.assert_allclose(pixels[-4, -4], (30, 200, 30), atol=12)
    row = scan(tmp_path, ["a.heic"]).iloc[0]
    assert (row["width"], row["height"], row["format"]) == (32, 48, "HEIF")


def test_heic_is_read_by_several_threads(tmp_path):
    for number in range(32):
        (tmp_path / f"{number}.heic").write_bytes(heic("plain" if number % 2 else "turned"))
    files = [tmp_path / f"{number}.heic" for number in range(32)]
    alone = [read_image(file, wanted()) for file in files[:2]]
    with ThreadPoolExecutor(8) as pool:
        for number, pixels in enumerate(pool.map(lambda file: read_image(file, wanted()), files)):
            np.testing.assert_array_equal(pixels, alone[number % 2])


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_avif_is_read_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.new("RGB", (64, 64), "black")
    picture.paste((250, 10, 10), (0, 0, 64, 32))
    picture.save(tmp_path / "a.avif", exif=exif)
    pixels = read_image(tmp_path / "a.avif", wanted())
    place = {1: (4, 16), 3: (-4, 16), 6: (16, -4)}[orientation]
    np.testing.assert_allclose(pixels[place], (250, 10, 10), atol=12)


def test_validate_accepts_heic_and_avif_by_default():
    assert set(Validate().formats) == {one.name for one in READ} == set(params.Format.__args__)
    assert all(one.opens for one in READ) and not any(one.opens for one in NOT_READ)


CONTENTS = {
    "a.svg": (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "b.svg": (b"\xef\xbb\xbf  <svg width='3'></svg>", "SVG"),
    "c.svg": (b'<?xml version="1.0"?><!DOCTYPE svg PUBLIC "x" [' + b'<!ENTITY a "b">' * 500 + b"]><svg/>", "SVG"),
    "a.psd": (b"8BPS\0\1" + bytes(40), "Photoshop"),
    "a.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), "JPEG 2000"),
    "a.jxl": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "JPEG XL"),
    "b.jxl": (b"\xff\x0a" + bytes(40), "JPEG XL"),
    "a.ico": (encoded("ICO"), "an icon"),
    "a.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
    "a.dcm": (bytes(128) + b"DICM" + bytes(40), "DICOM"),
    "a.exr": (b"v/1\x01" + bytes(40), "OpenEXR"),
    "a.cr2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(40), "camera raw"),
    "a.cr3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "camera raw"),
    "a.raf": (b"FUJIFILMCCD-RAW 0201" + bytes(40), "camera raw"),
    "a.orf": (b"IIRO\x08\0\0\0" + bytes(40), "camera raw"),
    "a.rw2": (b"IIU\0\x18\0\0\0" + bytes(40), "camera raw"),
    "a.pdf": (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
    "a.mp4": (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "a video"),
    "a.mov": (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a video"),
    "a.avi": (b"RIFF\x24\0\0\0AVI LIST", "a video"),
    "a.mkv": (b"\x1aE\xdf\xa3" + bytes(40), "a video"),
    "a.html": (b"<!DOCTYPE html>\n<html>404 Not Found</html>", "a web page"),
    "b.html": (b"<!-- x --><html><body><svg></svg></body></html>", "a web page"),
    "a.zip": (b"PK\x03\x04" + bytes(40), "an archive"),
    "a.txt": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
}


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("suffix", ["", ".jpg"])
def test_what_is_not_read_is_named(tmp_path, name, suffix):
    content, wanted_name = CONTENTS[name]
    file = tmp_path / "x" / f"{name}{suffix}"
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        Image.fromarray(noise(SIZE, SIZE, 3)).save(tmp_path / folder / "good.png")
    file.write_bytes(content)
    with pytest.raises(TransferlineError, match=rf"its content is {re.escape(wanted_name)}, which is not read; \w+"):
        read_image(file, wanted())
    data = params.Data(dataset="a", problem="binary")
    found = [finding for finding in validate_dataset(tmp_path, data, VALIDATE).findings if "few" not in finding.rule]
    found = [finding for finding in found if finding.path == f"x/{file.name}"]
    assert len(found) == 1 and wanted_name in found[0].detail and "; " in found[0].detail
    is_image = recognize(content, name).suffixes
    assert found[0].rule == ("format" if is_image else "undecodable" if suffix else "not_an_image")


def raw_tiff(photometric, nested):
    """A TIFF with a readable thumbnail, and with values of a sensor in its own or in another directory."""
    pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
    stream = io.BytesIO()
    extra = {330: 0, 254: 1} if nested else {}
    Image.fromarray(pixels).save(stream, "TIFF", tiffinfo=extra | ({} if nested else {262: photometric, 50706: 1}))
    content = bytearray(stream.getvalue())
    if nested:
        place = len(content) + len(content) % 2
        entry = (330).to_bytes(2, "little") + (4).to_bytes(2, "little") + (1).to_bytes(4, "little")
        start = content.index(entry[:2], 8) if entry not in content else content.index(entry)
        content[start : start + 12] = entry + place.to_bytes(4, "little")
        inner = (1).to_bytes(2, "little") + (262).to_bytes(2, "little") + (3).to_bytes(2, "little")
        inner += (1).to_bytes(4, "little") + photometric.to_bytes(4, "little") + bytes(4)
        content = content.ljust(place, b"\0") + inner
    return bytes(content)


@pytest.mark.parametrize("photometric", [32803, 34892, 2])
@pytest.mark.parametrize("name", ["a.nef", "a.tif", "a.jpg", "a"])
def test_camera_raw_is_not_read_as_its_thumbnail(tmp_path, photometric, name):
    content = raw_tiff(photometric, nested=True)
    with Image.open(io.BytesIO(content)) as thumbnail:
        assert thumbnail.size == (SIZE, SIZE)  # Pillow reads it
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TransferlineError, match="camera raw, which is not read; develop it"):
        read_image(tmp_path / name, wanted())
    assert scan(tmp_path, [name]).iloc[0]["error"].startswith("format: its content is camera raw")


def test_a_tiff_with_the_suffix_of_a_raw_format_is_raw():
    assert recognize(encoded("TIFF"), "folder/A.ARW") is RAW_FORMAT
    assert recognize(encoded("TIFF"), "folder/a.tiff").name == "TIFF"
    assert recognize(tiff(np.zeros((SIZE, SIZE), np.uint16), 1), "a.tif").name == "TIFF"
    assert recognize(encoded("JPEG"), "a.arw").name == "JPEG"


def test_each_format_is_recognized_by_its_content_alone():
    for kind in ("JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF", "AVIF"):
        assert recognize(encoded(kind), "a").name == kind
        assert FORMAT_OF_SUFFIX[f".{kind.lower()}"] == kind
    assert recognize(heic("plain"), "a").name == "HEIF"
    for text in (b"", b"BMW is a car", b"P1 is a patient", b"RIFF", b"\xff\xd8", b"MMM", b"a,b\n1,2\n", b"{}"):
        assert recognize(text, "a.txt") is None


KEYWORDS = ("parameters", "XML:com.adobe.xmp", "Raw profile type exif")


@pytest.mark.parametrize(
    ("keyword", "kind"),
    [(keyword, kind) for keyword in KEYWORDS for kind in ("text", "packed text", "international")]
    + [("parameters", "many")],
)
def test_a_png_with_megabytes_of_text_is_read(tmp_path, keyword, kind):
    texts = PngInfo()
    add = texts.add_itxt if kind == "international" else texts.add_text
    for _ in range(70 if kind == "many" else 1):
        add(keyword, "1" * 1_000_000 if kind == "many" else "1" * 3_000_000, zip=kind != "text" and kind != "many")
    Image.new("RGB", (SIZE, SIZE), (1, 2, 3)).save(tmp_path / "a.png", pnginfo=texts)
    assert (read_image(tmp_path / "a.png", wanted()) == (1, 2, 3)).all()
    assert scan(tmp_path, ["a.png"])["error"].isna().all()


@pytest.mark.parametrize("packed", [False, True])
def test_a_short_text_keeps_the_orientation(tmp_path, packed):
    texts = PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="3"/>', zip=packed)
    texts.add_text("comment", "x" * 100)
    pixels = noise(SIZE, SIZE, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png", pnginfo=texts)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", wanted()), pixels[::-1, ::-1])


def test_a_png_with_a_palette_of_no_colours_is_refused_by_both(tmp_path):
    """`validate` accepted it, and `evaluate` failed."""
    stream = io.BytesIO()
    Image.new("P", (SIZE, SIZE)).save(stream, "PNG")
    content = stream.getvalue()
    start = content.index(b"PLTE") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    (tmp_path / "a.png").write_bytes(content[:start] + content[end:])
    with pytest.raises(TransferlineError, match=r"a\.png cannot be read as an image: .+"):
        read_image(tmp_path / "a.png", wanted())
    row = scan(tmp_path, ["a.png"]).iloc[0]
    assert row["error"].startswith("undecodable: ") and np.isnan(row["luminance_std"])
