"""Reads the images of a request."""

import base64
import binascii
import io
import json
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from typing import Any

import numpy as np

from transferline import params
from transferline.arrays import Pixels
from transferline.datasets.images import open_picture, read_image
from transferline.errors import TransferlineError
from transferline.serving.bodies import Refusal
from transferline.serving.request_format import values_of
from transferline.text import first_of

MOST_PIXELS = 50_000_000  # of an image file
DATA_URL = re.compile(r"^\s*data:[^,]*;base64\s*,", re.IGNORECASE)
MOST_NAMED = 10  # bad images in a message
MOST_PIXELS_AT_ONCE = 500_000_000  # of all image files of a request
_PARSING = threading.Lock()  # a parsed body takes up to 25 times its bytes


class _Upload(io.BytesIO):
    """The bytes of an image file, with a name for messages and the number of its pixels."""

    pixels = 0

    def __init__(self, content: bytes, name: str):
        super().__init__(content)
        self._name = name

    def __repr__(self) -> str:
        return self._name


class _Fault(str):
    """Why an image is bad."""


def shape_of(image: params.Image) -> tuple[int, int, int]:
    """Returns height, width and channels of a model's images. Needs no TensorFlow."""
    return image.size, image.size, 3 if image.color == "rgb" else 1


def read_request(
    body: bytes | bytearray, content_type: str | None, image: params.Image, max_pixels: int = params.MAX_PIXELS
) -> list[Pixels]:
    """Reads every image of a request in the form that the model takes.

    Args:
        body: see `values_of`. A text is an image file in base64; a list is an array (size, size, channels) of integers
            from 0 to 255.
        content_type: its header Content-Type.
        image: size and colour mode. Files are resized and converted to them; arrays must have them.
        max_pixels: the limit of an image file, width times height.

    Returns:
        At least one image, uint8, (size, size, channels).

    Raises:
        TransferlineError: see `values_of`; or images are bad: the message numbers them from 0 and gives the reasons.
    """
    with _PARSING:
        taken = [
            _attempted(_taken, value, f"image {number}", image)
            for number, value in enumerate(values_of(body, content_type))
        ]
    taken = [
        _attempted(_measured, one, min(max_pixels, MOST_PIXELS)) if isinstance(one, _Upload) else one for one in taken
    ]
    if sum(one.pixels for one in taken if isinstance(one, _Upload)) > MOST_PIXELS_AT_ONCE:
        raise Refusal(413, f"the images have more than {MOST_PIXELS_AT_ONCE:,} pixels together; send fewer per request")
    images = [_attempted(read_image, one, image, max_pixels) if isinstance(one, _Upload) else one for one in taken]
    if faults := [one for one in images if isinstance(one, _Fault)]:
        raise TransferlineError(first_of(faults, MOST_NAMED, "; "))
    return images


def _attempted(read: Callable[..., Any], *arguments: Any) -> Any:
    """Returns what `read` returns, or why it failed, so that one message can name all bad images.

    The error itself is not kept: its traceback keeps the parsed body in memory.
    """
    try:
        return read(*arguments)
    except TransferlineError as error:
        return _Fault(error)


def _taken(value: Any, name: str, image: params.Image) -> Pixels | _Upload:
    if isinstance(value, list):
        return _from_lists(value, name, image)
    if isinstance(value, bytes):
        return _Upload(value, name)
    if not isinstance(value, str):
        raise TransferlineError(f"{name} is {json.dumps(value):.40}, not an image file in base64")
    try:
        return _Upload(base64.b64decode(_plain(value), validate=True), name)
    except (binascii.Error, ValueError) as error:
        raise TransferlineError(f"{name} is not base64: {error}") from error


def _plain(text: str) -> str:
    """Returns base64 without blanks, line breaks and the prefix of a data URL, such as `data:image/png;base64,`."""
    return "".join(DATA_URL.sub("", text, count=1).split())


def _from_lists(rows: list[Any], name: str, image: params.Image) -> Pixels:
    """Converts nested lists without NumPy's own conversion, which takes any memory for texts of different lengths."""
    wanted = shape_of(image)
    values: list[Any] = [rows]
    for depth, side in enumerate(wanted):
        lengths = {len(part) if isinstance(part, list) else None for part in values}
        if lengths != {side}:
            found = (*wanted[:depth], *sorted(str(length) for length in lengths))
            raise TransferlineError(
                f"{name} has the shape ({', '.join(map(str, found))}, …); this model takes {wanted}"
            )
        values = list(chain.from_iterable(values))
    if {type(value) for value in values} != {int} or min(values) < 0 or max(values) > 255:
        raise TransferlineError(f"{name} holds other values than integers from 0 to 255")
    return np.array(values, np.uint8).reshape(wanted)


def _measured(upload: _Upload, max_pixels: int) -> _Upload:
    """Counts the pixels before they are decoded. A damaged file is left to `read_image`."""
    width = height = 0
    with suppress(Exception), open_picture(upload.getvalue(), repr(upload), None) as opened:
        width, height = opened.size
    if width * height > max_pixels:
        raise TransferlineError(f"{upload} has {width} x {height} pixels; at most {max_pixels:,} are allowed")
    upload.pixels = width * height
    return upload
