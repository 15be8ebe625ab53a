"""Images in the files of NumPy, `.npy`."""

import math
from io import BytesIO

import numpy as np
from numpy.lib import format as npy
from PIL.PpmImagePlugin import PpmImageFile

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def open_array(stream: BytesIO) -> PpmImageFile:
    """Returns an array as an image that Pillow can decode.

    Args:
        stream: the content of a file. The array must be uint8, (height, width, 3), in RGB. No pickle is loaded.

    Raises:
        ValueError: the array has another dtype or shape, or its end is missing.
    """
    version = npy.read_magic(stream)
    if version not in HEADERS:
        raise ValueError(f"its format is version {version[0]}.{version[1]} of .npy; save the array with numpy.save")
    shape, is_fortran, dtype = HEADERS[version](stream)
    if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or not math.prod(shape):
        raise ValueError(f"it is an array of {dtype} {shape}; only uint8 (height, width, 3) is read")
    pixels = stream.read(math.prod(shape))
    if len(pixels) < math.prod(shape):
        raise ValueError(f"the array is truncated: {len(pixels):,} of {math.prod(shape):,} bytes are there")
    if is_fortran:
        pixels = np.frombuffer(pixels, np.uint8).reshape(shape, order="F").tobytes()
    opened = PpmImageFile(BytesIO(b"P6 %d %d 255\n" % (shape[1], shape[0]) + pixels))
    opened.format = "NPY"
    return opened
