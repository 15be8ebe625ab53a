"""The formats of files, which are recognized by their content: those that are read, and others by their names."""

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import PurePath
from typing import Any, NamedTuple

from pi_heif import HeifImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from transferline.datasets.array_files import open_array

HEAD = 4096  # bytes at the beginning of a file; they tell its format
CONVERT = "convert it to JPEG or PNG"
RAW = "camera raw"
RAW_SUFFIXES = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq", ".kdc", ".mef", ".mos"),
    *(".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
)


class FileFormat(NamedTuple):
    """A format of files.

    Attributes:
        name: its name in messages; for a format that is read, also in `validate.formats`.
        pattern: a regular expression that matches the beginning of such a file.
        suffixes: the usual suffixes of an image in this format; none for files that are not images.
        opens: the class or function that opens such an image; None if it is not read.
        advice: what to do with a file that is not read.
    """

    name: str
    pattern: bytes
    suffixes: tuple[str, ...] = ()
    opens: Callable[[BytesIO], ImageFile] | None = None
    advice: str = CONVERT

    @property
    def why_not_read(self) -> str:
        """What the content is, and what to do."""
        return f"its content is {self.name}, which is not read; {self.advice}"


READ = (
    FileFormat("JPEG", rb"\xff\xd8\xff", (".jpg", ".jpeg", ".jpe", ".jfif"), JpegImageFile),
    FileFormat("PNG", rb"\x89PNG\r\n\x1a\n", (".png",), PngImageFile),
    FileFormat("BMP", rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", (".bmp", ".dib"), BmpImageFile),
    FileFormat("GIF", rb"GIF8[79]a", (".gif",), GifImageFile),
    FileFormat("WEBP", rb"RIFF.{4}WEBP", (".webp",), WebPImageFile),
    FileFormat("PPM", rb"P[1-6f](\s|#[^\n]*\n)+\d", (".ppm", ".pgm", ".pbm", ".pnm"), PpmImageFile),
    FileFormat("TIFF", rb"II[*+]\0|MM\0[*+]|II\0\*|MM\*\0", (".tif", ".tiff"), TiffImageFile),
    FileFormat("AVIF", rb".{4}ftyp(avi[fs]|m(if1|sf1|iaf).{4}(.{4}){0,12}?avi[fs])", (".avif",), AvifImageFile),
    FileFormat("HEIF", rb".{4}ftyp(he[iv][cxms]|mif1|msf1)", (".heic", ".heif", ".hif"), HeifImageFile),
    FileFormat("NPY", rb"\x93NUMPY", (".npy",), open_array),
)
RAW_FORMAT = FileFormat(
    RAW,
    rb"II\*\0.{4}CR|IIR[OS]|IIU\0|MMOR|FUJIFILMCCD-RAW|.{4}ftypcrx |FOVb|\0MRM|II.{4}HEAPCCDR",
    RAW_SUFFIXES,
    advice="develop it and save it as JPEG or PNG",
)
# A web page can contain an SVG, so it comes first.
NOT_READ = (
    FileFormat(
        "a web page", rb"(?i)\s*(<!--.*?-->\s*)?<(!doctype html|html|head|body)", advice="download the image itself"
    ),
    FileFormat("SVG", rb"\s*(<[?!].*?)?<(svg[\s>]|!DOCTYPE svg)", (".svg",)),
    FileFormat("Photoshop", rb"8BPS", (".psd", ".psb")),
    FileFormat("JPEG 2000", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", (".jp2", ".j2k", ".jpx", ".jpf")),
    FileFormat("JPEG XL", rb"\xff\x0a|\0\0\0\x0cJXL ", (".jxl",)),
    FileFormat("JPEG XR", rb"II\xbc", (".jxr", ".wdp", ".hdp")),
    FileFormat("an icon", rb"\0\0[\x01\x02]\0[^\0]\0|icns", (".ico", ".cur", ".icns")),
    FileFormat("OpenEXR", rb"v/1\x01", (".exr",)),
    FileFormat("Radiance HDR", rb"#\?(RADIANCE|RGBE)", (".hdr",)),
    FileFormat("DICOM", rb".{128}DICM", (".dcm",)),
    FileFormat("GIMP", rb"gimp xcf", (".xcf",)),
    FileFormat("PostScript", rb"%!PS|\xc5\xd0\xd3\xc6", (".eps", ".ps", ".ai")),
    FileFormat("DirectDraw Surface", rb"DDS ", (".dds",)),
    FileFormat("FITS", rb"SIMPLE  =", (".fits", ".fit")),
    FileFormat("QOI", rb"qoif", (".qoi",)),
    FileFormat("a PDF document", rb"\s*%PDF-", advice="save its pages as JPEG or PNG"),
    FileFormat(
        "a video",
        rb".{4}(ftyp|moov|mdat|wide|free|skip|pnot)|RIFF.{4}AVI |\x1aE\xdf\xa3|\0\0\x01[\xba\xb3]|FLV\x01|"
        rb"0&\xb2u\x8ef\xcf\x11|OggS",
        advice="save frames of it as JPEG or PNG",
    ),
    FileFormat("a Git LFS pointer", rb"version https://git-lfs", advice="fetch the image with `git lfs pull`"),
    FileFormat("an archive", rb"PK\x03\x04|PK\x05\x06|\x1f\x8b|7z\xbc\xaf|Rar!|BZh[1-9]|\xfd7zXZ", advice="unpack it"),
)
IMAGES_NOT_READ = (RAW_FORMAT, *(one for one in NOT_READ if one.suffixes))
FORMAT_OF_SUFFIX = {suffix: one.name for one in (*READ, RAW_FORMAT, *NOT_READ) for suffix in one.suffixes}
IMAGE_SUFFIXES = tuple(suffix for one in READ for suffix in one.suffixes)

CHAIN = 16  # directories of a TIFF that are looked at
SUBFILE_TYPE, PHOTOMETRIC, SUB_DIRECTORIES, DNG_VERSION = 254, 262, 330, 50706  # tags of TIFF 6.0, TIFF/EP and DNG 1.7
REDUCED = 1  # the subfile type of an image in a smaller size
SENSOR_VALUES = {32803, 34892}  # photometric interpretations: colour filter array, linear raw


def recognize(content: bytes, name: str) -> FileFormat | None:
    """Returns the format of a file by its content, or None.

    A TIFF is a camera raw file if it holds values of a sensor, begins with a preview, or has the suffix of a raw
    format: the image that can be read of it is only a thumbnail.

    Args:
        content: the bytes of the file.
        name: its path or name.
    """
    head = content[:HEAD].removeprefix(b"\xef\xbb\xbf")
    for one in (RAW_FORMAT, *READ, *NOT_READ):
        if re.match(one.pattern, head, re.DOTALL):
            return RAW_FORMAT if one.opens is TiffImageFile and _is_raw(content, name) else one
    return None


def _is_raw(content: bytes, name: str) -> bool:
    if PurePath(name).suffix.lower() in RAW_SUFFIXES:
        return True
    found = _directories(BytesIO(content))
    if found and found[0].get(SUBFILE_TYPE) == REDUCED and SUB_DIRECTORIES in found[0]:
        return True
    return any(DNG_VERSION in tags or tags.get(PHOTOMETRIC) in SENSOR_VALUES for tags in found)


def _directories(stream: BytesIO) -> list[Any]:
    """Returns the tags of each directory of a TIFF, those of its images in other sizes included."""
    found: list[Any] = []
    try:
        head = stream.read(8)
        head += stream.read(8) if 43 in head[2:4] else b""  # BigTIFF
        places = [ImageFileDirectory_v2(head).next]
        while places and len(found) < CHAIN:
            tags = ImageFileDirectory_v2(head)
            stream.seek(places.pop(0))
            tags.load(stream)
            found.append(tags)
            inner = tags.get(SUB_DIRECTORIES, ())
            places += [*(inner if isinstance(inner, tuple) else (inner,)), *([tags.next] if tags.next else [])]
    except Exception:  # a broken TIFF: what was found before counts
        return found
    return found
