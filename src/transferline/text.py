"""Lists in messages."""

from collections.abc import Sequence


def first_of(items: Sequence[object], shown: int, between: str = ", ") -> str:
    """The first `shown` items, and how many more there are: `a, b and 3 more`."""
    listed = between.join(map(str, items[:shown]))
    return f"{listed} and {len(items) - shown:,} more" if len(items) > shown else listed
