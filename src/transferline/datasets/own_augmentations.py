"""The user's own augmentations, from `own_augmentations/`. The docstring of that package lists the requirements.

In a table of views, the name of an augmentation's column is its import path. It is not applied where the value is null.
"""

from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Float32s
from transferline.datasets.augmentations import Colour
from transferline.errors import TransferlineError
from transferline.own_code import file_of, is_own, own_function


def own_colours(rows: pd.DataFrame) -> dict[str, Colour]:
    """Returns the user's own augmentations that a table of views names.

    Raises:
        TransferlineError: there is no such file or function. The returned functions raise it if the user's code fails
            or does not return an image of the same shape with finite numbers.
    """
    return {name: _checked(name) for name in map(str, rows.columns) if is_own(name) and rows[name].notna().any()}


def _checked(name: str) -> Colour:
    function = own_function(name)

    def augment(image: Float32s, value: float) -> Float32s:
        drawn: Any = function(np.clip(image, 0, 255), value)  # others before it leave values beyond
        if not isinstance(drawn, np.ndarray) or drawn.shape != image.shape or not np.isfinite(drawn).all():
            found = f"an array {drawn.shape}" if isinstance(drawn, np.ndarray) else type(drawn).__name__
            raise TransferlineError(
                f"{name} in {file_of(name)} returned {found}; it must return an image {image.shape} of finite numbers"
            )
        return drawn.astype(np.float32, copy=False)

    return augment
