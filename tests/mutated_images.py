"""Small images of every format that is read, and files made from them by a seeded generator of mutations."""

import base64
import io
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from tests.heic_files import HEIC

Random = np.random.Generator
SIGNATURE = 8  # bytes at the start of a PNG
SIZES = (0, 1, 2, 25, 255, 256, 4000, 65_535, 2**31 - 1, 2**32 - 1)


def originals() -> list[tuple[str, bytes]]:
    """Suffix and content of images: all formats, modes, bit depths, with EXIF, text and transparency."""
    pixels = np.random.default_rng(0).integers(0, 255, (24, 20, 4), np.uint8)
    color, alpha = Image.fromarray(pixels[..., :3].copy()), Image.fromarray(pixels)
    grey, deep = color.convert("L"), Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    pictures: list[tuple[str, Image.Image, dict[str, object]]] = [
        ("jpeg", color, {"exif": exif}),
        ("jpeg", grey, {"progressive": True}),
        ("jpeg", color.convert("CMYK"), {}),
        ("png", color, {"exif": exif}),
        ("png", alpha, {}),
        ("png", color.quantize(16), {"transparency": 3}),
        ("png", grey.convert("1"), {}),
        ("png", deep, {}),
        ("gif", color.quantize(32), {}),
        ("bmp", color, {}),
        ("bmp", color.quantize(16), {}),
        ("tiff", color, {}),
        ("tiff", color, {"compression": "tiff_lzw"}),
        ("tiff", deep, {"compression": "tiff_adobe_deflate"}),
        ("webp", alpha, {"exif": exif}),
        ("webp", color, {"lossless": True}),
        ("ppm", color, {}),
        ("ppm", grey, {}),
        ("avif", color, {"exif": exif}),
    ]
    found = []
    for kind, picture, options in pictures:
        stream = io.BytesIO()
        picture.save(stream, kind, **options)
        found.append((f".{kind}", stream.getvalue()))
    return [*found, *((".heic", base64.b64decode(text)) for text in HEIC.values())]


def mutated_images(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yields suffix and content of `count` files, each with one to three mutations. A fifth has a wrong suffix."""
    random, sources = np.random.default_rng(seed), originals()
    suffixes = [*dict.fromkeys(suffix for suffix, _ in sources), ".nef", ".txt", ""]
    for number in range(count):
        suffix, content = sources[number % len(sources)]
        for _ in range(random.integers(1, 4)):
            change = MUTATIONS[random.integers(len(MUTATIONS))]
            content = change(content, random) if content else content
        yield (suffixes[random.integers(len(suffixes))] if random.random() < 0.2 else suffix), content


def cut_off(content: bytes, random: Random) -> bytes:
    return content[: random.integers(0, len(content) + 1)]


def flip_bits(content: bytes, random: Random) -> bytes:
    data = bytearray(content)
    for place in random.integers(0, len(data), random.integers(1, 9)):
        data[place] ^= 1 << int(random.integers(8))
    return bytes(data)


def replace_bytes(content: bytes, random: Random) -> bytes:
    start, length = random.integers(0, len(content)), int(random.integers(1, 40))
    return content[:start] + random.bytes(length) + content[start + length :]


def move_bytes(content: bytes, random: Random) -> bytes:
    """Deletes a part, or doubles it."""
    start, length = random.integers(0, len(content)), int(random.integers(1, 60))
    part = content[start : start + length]
    return content[:start] + part * int(random.choice([0, 2])) + content[start + length :]


def change_number(content: bytes, random: Random) -> bytes:
    """Writes a size into one of the first bytes, where formats keep width, height, lengths and offsets."""
    place, number = int(random.integers(0, min(len(content), 200))), int(random.choice(SIZES))
    form = str(random.choice(["<I", ">I", "<H", ">H"]))
    packed = struct.pack(form, number % (2**32 if "I" in form else 2**16))
    return content[:place] + packed + content[place + len(packed) :]


def append_bytes(content: bytes, random: Random) -> bytes:
    return content + random.bytes(int(random.integers(1, 300)))


def change_parts(content: bytes, random: Random) -> bytes:
    """Drops, doubles, swaps or changes a chunk of a PNG, with a right check sum, or a segment of a JPEG."""
    head, parts = (content[:SIGNATURE], png_chunks(content)) if content[1:4] == b"PNG" else (b"", segments(content))
    if len(parts) < 3:
        return flip_bits(content, random)
    place, other = random.integers(0, len(parts), 2)
    change = random.integers(4)
    if change == 0:
        del parts[place]
    elif change == 1:
        parts.insert(other, parts[place])
    elif change == 2:
        parts[place], parts[other] = parts[other], parts[place]
    elif head:
        data = flip_bits(parts[place][4:-4], random) if len(parts[place]) > 12 else parts[place][4:-4]
        data = parts[place][4:8] + data[4:]
        parts[place] = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    else:
        parts[place] = flip_bits(parts[place] or b"\0", random)
    return head + b"".join(parts)


def png_chunks(content: bytes) -> list[bytes]:
    parts, start = [], SIGNATURE
    while start + 12 <= len(content):
        end = start + 12 + int.from_bytes(content[start : start + 4], "big")
        parts.append(content[start:end])
        start = end
    return parts


def segments(content: bytes) -> list[bytes]:
    """The parts between the markers of a JPEG."""
    return [part if number == 0 else b"\xff" + part for number, part in enumerate(content.split(b"\xff"))]


MUTATIONS: tuple[Callable[[bytes, Random], bytes], ...] = (
    cut_off,
    flip_bits,
    replace_bytes,
    move_bytes,
    change_number,
    change_number,
    append_bytes,
    change_parts,
    change_parts,
)
