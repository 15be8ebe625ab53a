"""Names for the types of arrays."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]
