"""The rules for the table `masks`, in the form of `rules.py`. It has a row per image of a segmentation problem.

Its columns are those of the table `files`, `mask_error` (see `scan_masks`), and `mask_reason`, which is `mask_error`
without its first word.
"""

import great_expectations.expectations as gxe

from transferline.datasets.checks.expectations import Expected, rule
from transferline.params import Validate


def _no_mask_error(name: str) -> Expected:
    return Expected(gxe.ExpectColumnValuesToNotMatchRegex, "{mask_reason}", column="mask_error", regex=f"^{name}:")


@rule("masks")
def mask_missing(validate: Validate) -> list[Expected]:
    """A mask that is missing or cannot be read."""
    return [_no_mask_error("mask_missing")]


@rule("masks")
def mask_size(validate: Validate) -> list[Expected]:
    """A mask whose size differs from its image's."""
    return [_no_mask_error("mask_size")]


@rule("masks")
def mask_values(validate: Validate) -> list[Expected]:
    """A mask with values that are neither a class nor void."""
    return [_no_mask_error("mask_values")]


@rule("masks", is_fault=False)
def mask_orientation(validate: Validate) -> list[Expected]:
    """A mask that is perhaps not upright, because EXIF turns only its image."""
    return [_no_mask_error("mask_orientation")]


@rule("masks")
def mask_empty(validate: Validate) -> list[Expected]:
    """A mask with only void, or only void and background."""
    return [_no_mask_error("mask_empty")]
