"""Augmentations of the user's own, from `own_augmentations/`; the contract is the docstring of that package.

In a table of views, the name of their column is their import path; where it is null, a view is drawn without them.
"""

from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Float32s
from transferline.datasets.augmentations import Colour
from transferline.errors import TransferlineError
from transferline.own_code import file_of, is_own, own_function


def own_colours(rows: pd.DataFrame) -> dict[str, Colour]:
    """The user's own augmentations that a table of views names.

    Raises:
        TransferlineError: there is no such file or function. The augmentations raise it where they fail, or return
            anything but an image of the same shape.
    """
    return {name: _checked(name) for name in map(str, rows.columns) if is_own(name) and rows[name].notna().any()}


def _checked(name: str) -> Colour:
    function = own_function(name)

    def augment(image: Float32s, value: float) -> Float32s:
        drawn: Any = function(image, value)
        if not isinstance(drawn, np.ndarray) or drawn.shape != image.shape or not np.isfinite(drawn).all():
            found = f"an array {drawn.shape}" if isinstance(drawn, np.ndarray) else type(drawn).__name__
            raise TransferlineError(
                f"{name} in {file_of(name)} returned {found}; it must return an image {image.shape} of finite numbers"
            )
        return drawn.astype(np.float32, copy=False)

    return augment
