"""Lists and counts in messages."""

from collections.abc import Sequence


def first_of(items: Sequence[object], shown: int, between: str = ", ") -> str:
    """Returns the first `shown` items and the number of the others: `a, b and 3 more`.

    With another separator than a comma, the separator also stands before the number: `a; b; and 3 more`.
    """
    listed = between.join(map(str, items[:shown]))
    before_rest = " " if between == ", " else between
    return f"{listed}{before_rest}and {len(items) - shown:,} more" if len(items) > shown else listed


def images_in_groups(images: int, groups: int) -> str:
    """Returns the number of images, and of their groups if they are fewer: `301 images in 22 groups`."""
    return f"{images:,} images" + (f" in {groups:,} groups" if groups < images else "")
