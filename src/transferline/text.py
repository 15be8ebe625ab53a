"""Lists in messages."""

from collections.abc import Sequence


def first_of(items: Sequence[object], shown: int, between: str = ", ") -> str:
    """The first `shown` items, and how many more there are: `a, b and 3 more`.

    With something else than a comma between them that is an item of its own: `a; b; and 3 more`.
    """
    listed = between.join(map(str, items[:shown]))
    before_rest = " " if between == ", " else between
    return f"{listed}{before_rest}and {len(items) - shown:,} more" if len(items) > shown else listed
