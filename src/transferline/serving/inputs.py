"""The images of a request, in the form in which MLflow's scoring server passes them."""

import base64
import binascii
import io
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from transferline import params
from transferline.arrays import Array, Pixels
from transferline.datasets.images import read_image
from transferline.errors import TransferlineError
from transferline.text import first_of

COLUMN = "image"
DATA_URL = re.compile(r"^\s*data:[^,]*;base64\s*,", re.IGNORECASE)
MOST_NAMED = 10  # bad images in a message


class _Upload(io.BytesIO):
    """The bytes of an image file, with a name for messages."""

    def __init__(self, content: bytes, name: str):
        super().__init__(content)
        self._name = name

    def __repr__(self) -> str:
        return self._name


def shape_of(image: params.Image) -> tuple[int, int, int]:
    """Returns height, width and channels of a model's images. Needs no TensorFlow."""
    return image.size, image.size, 3 if image.color == "rgb" else 1


def read_request(data: Any, image: params.Image, max_pixels: int = params.MAX_PIXELS) -> list[Pixels]:
    """Reads every image of a request in the form that the model takes.

    Args:
        data: a table whose column `image` holds image files in base64 (`dataframe_records` and `dataframe_split` of
            MLflow's scoring protocol), or an array (n, size, size, channels) of integers from 0 to 255 (`instances`,
            `inputs`).
        image: size and colour mode. Files are resized and converted to them; arrays must have them.
        max_pixels: the limit of an image file, width times height.

    Returns:
        At least one image, uint8, (size, size, channels).

    Raises:
        TransferlineError: there is no image, or images are bad; the message numbers them from 0 and gives the reasons.
    """
    if isinstance(data, pd.DataFrame) and COLUMN in data.columns:
        return _each(data[COLUMN].tolist(), lambda value, name: _from_base64(value, name, image, max_pixels))
    if isinstance(data, list) or (isinstance(data, np.ndarray) and data.ndim):
        return _each(data, lambda value, name: _from_array(np.asarray(value), name, image))
    raise TransferlineError(
        "send dataframe_records or dataframe_split whose column image holds image files in base64, or instances or "
        "inputs with an array of images"
    )


def _each(values: Iterable[Any], read: Callable[[Any, str], Pixels]) -> list[Pixels]:
    images, faults = [], []
    for number, value in enumerate(values):
        try:
            images.append(read(value, f"image {number}"))
        except TransferlineError as error:
            faults.append(str(error))
    if faults:
        raise TransferlineError(first_of(faults, MOST_NAMED, "; "))
    if not images:
        raise TransferlineError("the request holds no image")
    return images


def _from_base64(value: Any, name: str, image: params.Image, max_pixels: int) -> Pixels:
    if not isinstance(value, str):
        raise TransferlineError(f"{name} is {value!r:.40}, not an image file in base64")
    try:
        content = base64.b64decode(_plain(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise TransferlineError(f"{name} is not base64: {error}") from error
    return read_image(_Upload(content, name), image, max_pixels)


def _plain(text: str) -> str:
    """Returns base64 without blanks, line breaks and the prefix of a data URL, such as `data:image/png;base64,`."""
    return "".join(DATA_URL.sub("", text, count=1).split())


def _from_array(pixels: Array, name: str, image: params.Image) -> Pixels:
    if pixels.shape != shape_of(image):
        raise TransferlineError(f"{name} has the shape {pixels.shape}; this model takes {shape_of(image)}")
    if pixels.dtype.kind not in "iu" or pixels.min() < 0 or pixels.max() > 255:
        raise TransferlineError(f"{name} holds other values than integers from 0 to 255")
    return pixels.astype(np.uint8)
