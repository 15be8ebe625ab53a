"""The rules of validation, as expectations of Great Expectations about the tables of a dataset.

Each rule is one function here. Its name is the key of its severity in `params.Rules`. Only `excluded`, for images that
a correction leaves out, has no such key. The docstring of a rule names what breaks the rule. The tables are:

- `corrections`: a row per correction, see `correction_table`.
- `files`: a row per file. Columns: those of `scan`, `label`, `kind` (image, hidden or other), `reason` (`error` without
  its first word) and `suffix_format` (the image format to which the suffix belongs, empty for none).
- `masks`: a row per image of a segmentation problem; its rules are in `mask_rules.py`.
- `duplicates`: a row per image that no earlier rule leaves out. More columns: those of `duplicates`.
- `history`: a row per such image in train. One more column: `former_test_set`, the hash of the test set with this
  image on which a champion was tested, or `NO_TEST_SET`.
- `classes`: a row per class and split, with the number of its `images`. In train, `ratio` is the size of the largest
  class divided by the size of this class. Each class folder or class column has one more row, with the number of its
  images in `files`. `like` is another folder or class whose name looks the same, and `difference` how it differs.
"""

from typing import Any

import great_expectations.expectations as gxe
from great_expectations.expectations.row_conditions import Column

import transferline.datasets.checks.mask_rules  # noqa: F401  (adds its rules to the table)
from transferline.datasets.checks.corrections import LEFT_OUT
from transferline.datasets.checks.expectations import RULES, Expected, rule
from transferline.params import Severity, Validate

__all__ = ["NO_TEST_SET", "RULES"]

IMAGE: Any = Column("kind") == "image"
NO_TEST_SET = "none"
SIDES = ("width", "height")
SIZE = "{width} × {height} pixels"


@rule("corrections", is_fault=False)
def excluded(validate: Validate) -> list[Expected]:
    """An image that a correction leaves out."""
    kind = gxe.ExpectColumnValuesToNotBeInSet
    return [Expected(kind, "{reason}", column="correction", value_set=[LEFT_OUT], severity="quarantine")]


@rule("corrections")
def unmatched_correction(validate: Validate) -> list[Expected]:
    """A correction that no image matches."""
    return [Expected(gxe.ExpectColumnValuesToBeBetween, "{reason}", column="images", min_value=1)]


def _no_error(name: str) -> Expected:
    return Expected(gxe.ExpectColumnValuesToNotMatchRegex, "{reason}", column="error", regex=f"^{name}:")


@rule("files")
def unreadable(validate: Validate) -> list[Expected]:
    """A file that cannot be opened."""
    return [_no_error("unreadable")]


@rule("files")
def undecodable(validate: Validate) -> list[Expected]:
    """An image that no decoder can read."""
    return [_no_error("undecodable")]


@rule("files")
def truncated(validate: Validate) -> list[Expected]:
    """An image whose end is missing."""
    return [_no_error("truncated")]


@rule("files")
def too_large(validate: Validate) -> list[Expected]:
    """An image with too many pixels to decode, or with a side that is too long."""
    largest, kind = f"{SIZE}, larger than {validate.max_side}", gxe.ExpectColumnValuesToBeBetween
    sides = [Expected(kind, largest, column=side, max_value=validate.max_side) for side in SIDES]
    return [_no_error("too_large"), *sides]


@rule("files")
def hidden(validate: Validate) -> list[Expected]:
    """A hidden file."""
    return [Expected(gxe.ExpectColumnValuesToNotBeInSet, "hidden, ignored", column="kind", value_set=["hidden"])]


@rule("files", is_fault=False)
def not_an_image(validate: Validate) -> list[Expected]:
    """A file whose name and content are not those of an image."""
    return [Expected(gxe.ExpectColumnValuesToNotBeInSet, "{reason}", column="kind", value_set=["other"])]


@rule("files")
def empty_file(validate: Validate) -> list[Expected]:
    """A file without content."""
    return [Expected(gxe.ExpectColumnValuesToBeBetween, "0 bytes", column="bytes", min_value=1, row_condition=IMAGE)]


@rule("files")
def format(validate: Validate) -> list[Expected]:
    """An image in a format that is not allowed, or that no decoder here reads."""
    kind, allowed = gxe.ExpectColumnValuesToBeInSet, list(validate.formats)
    detail = "{format} is not allowed; validate.formats lists the allowed ones"
    return [_no_error("format"), Expected(kind, detail, column="format", value_set=allowed)]


@rule("files")
def extension(validate: Validate) -> list[Expected]:
    """A file whose extension does not match its format."""
    return [
        Expected(
            gxe.ExpectColumnPairValuesToBeEqual,
            "its content is {format}",
            column_A="format",
            column_B="suffix_format",
            ignore_row_if="either_value_is_missing",
        )
    ]


@rule("files")
def too_small(validate: Validate) -> list[Expected]:
    """An image with a side that is too short."""
    smallest, kind = f"{SIZE}, smaller than {validate.min_side}", gxe.ExpectColumnValuesToBeBetween
    return [Expected(kind, smallest, column=side, min_value=validate.min_side) for side in SIDES]


@rule("files")
def blank(validate: Validate) -> list[Expected]:
    """An image of nearly one colour."""
    detail = "nearly blank: luminance deviates by {luminance_std:.1f} of 255"
    return [Expected(gxe.ExpectColumnValuesToBeBetween, detail, column="luminance_std", min_value=validate.blank_std)]


@rule("files")
def unlabelled(validate: Validate) -> list[Expected]:
    """An image without a label or a split."""
    detail = "the layout gives it no label, or no split, ignored"
    return [Expected(gxe.ExpectColumnValuesToNotBeNull, detail, column="label", row_condition=IMAGE)]


def _no_other(detail: str, column: str, severity: Severity | None = None) -> Expected:
    return Expected(gxe.ExpectColumnValuesToBeNull, detail, severity, of=column, column=column)


@rule("duplicates")
def label_conflict(validate: Validate) -> list[Expected]:
    """An image with the same bytes as another image that has another label."""
    return [_no_other("same bytes as {conflicts_with}, which has another label", "conflicts_with")]


@rule("duplicates", is_fault=False)
def duplicate(validate: Validate) -> list[Expected]:
    """An image with the same bytes as another image in its split."""
    return [_no_other("same bytes as {duplicate_of}", "duplicate_of")]


@rule("duplicates", is_fault=False)
def split_duplicate(validate: Validate) -> list[Expected]:
    """An image with the same bytes as an image in another split."""
    return [_no_other("same bytes as {split_duplicate_of}, in another split", "split_duplicate_of")]


@rule("duplicates", is_fault=False)
def near_duplicate(validate: Validate) -> list[Expected]:
    """Nearly the same image in another split.

    If the dataset, not transferline, decides which images are in these two splits, quarantine becomes a warning.
    """
    reported: Severity = "warn" if validate.rules.near_duplicate == "quarantine" else validate.rules.near_duplicate
    return [
        _no_other("looks like {near_duplicate_of}, in another split", "near_duplicate_of"),
        _no_other("looks like {near_duplicate_given}, in another given split", "near_duplicate_given", reported),
    ]


@rule("history", is_fault=False)
def former_test_image(validate: Validate) -> list[Expected]:
    """An image in train on which a champion was tested."""
    detail = (
        "a champion was tested on it (test set {former_test_set:.12}), it must not be trained on; put it back into "
        "test, or remove it"
    )
    return [Expected(gxe.ExpectColumnValuesToBeInSet, detail, column="former_test_set", value_set=[NO_TEST_SET])]


@rule("classes")
def few_images(validate: Validate) -> list[Expected]:
    """A class with too few images in a split."""
    detail = (
        f"{{images:.0f}} image(s) in {{split}}, fewer than validate.min_images = {validate.min_images}: add images, "
        "or increase this split's fraction in data.split"
    )
    return [Expected(gxe.ExpectColumnValuesToBeBetween, detail, column="images", min_value=validate.min_images)]


@rule("classes")
def imbalance(validate: Validate) -> list[Expected]:
    """A class that is much smaller than the largest one."""
    detail = f"the largest class has {{ratio:.1f}} times as many images in train, more than {validate.max_imbalance:g}"
    return [Expected(gxe.ExpectColumnValuesToBeBetween, detail, column="ratio", max_value=validate.max_imbalance)]


@rule("classes")
def empty_class(validate: Validate) -> list[Expected]:
    """A class without images."""
    return [Expected(gxe.ExpectColumnValuesToBeBetween, "a class without images, ignored", column="files", min_value=1)]


@rule("classes")
def similar_classes(validate: Validate) -> list[Expected]:
    """A class whose name looks like that of another class."""
    detail = "{path!r} and {like!r} differ only in {difference}; if they are one class, give both the same name"
    return [_no_other(detail, "like")]
