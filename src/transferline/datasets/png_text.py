"""Leaves texts and colour profiles out of PNG files.

Pillow refuses an image with megabytes of them, and its limits apply to the whole process. Only the orientation is
needed, which is in a text if an older program wrote it.
"""

import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXTS, PROFILE = (b"tEXt", b"zTXt", b"iTXt"), b"iCCP"
WITH_ORIENTATION = (b"XML:com.adobe.xmp", b"Raw profile type exif")
LONGEST = 2**20  # bytes of such a text; Pillow's own limit for compressed ones


def without_texts(content: bytes) -> bytes:
    """Returns a PNG file without texts and colour profiles that do not give the orientation.

    Another file, also a PNG that ends within a chunk, keeps its bytes.
    """
    if not content.startswith(SIGNATURE):
        return content
    chunks = list(_chunks(content))
    kept = [content[start:end] for start, end in chunks if _is_needed(content[start + 4 : end - 4])]
    rest = chunks[-1][1] if chunks else len(SIGNATURE)
    return content if len(kept) == len(chunks) else b"".join([SIGNATURE, *kept, content[rest:]])


def _chunks(content: bytes) -> Iterator[tuple[int, int]]:
    """Yields where each chunk starts and ends: length, type, data, check sum."""
    start = len(SIGNATURE)
    while start + 12 <= len(content):
        end = start + 12 + int.from_bytes(content[start : start + 4], "big")
        if end > len(content):
            return
        yield start, end
        start = end


def _is_needed(chunk: bytes) -> bool:
    """Takes the type and the data of a chunk."""
    kind, (keyword, _, text) = chunk[:4], chunk[4:].partition(b"\0")
    if kind not in TEXTS:
        return kind != PROFILE
    if keyword not in WITH_ORIENTATION:
        return False
    is_packed = kind == b"zTXt" or (kind == b"iTXt" and text[:1] == b"\1")
    packed = text[1:] if kind == b"zTXt" else text[2:].split(b"\0", 2)[-1]
    try:
        return len(zlib.decompressobj().decompress(packed, LONGEST + 1) if is_packed else text) <= LONGEST
    except zlib.error:
        return False
