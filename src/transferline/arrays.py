"""Type aliases for NumPy arrays."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.floating[Any]]
Float32s = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
Positions = npt.NDArray[np.intp]
Pixels = npt.NDArray[np.uint8]  # of images
Mask = npt.NDArray[np.uint8]  # the class of each pixel
Hashes = npt.NDArray[np.uint8]  # (n, bytes), of images
