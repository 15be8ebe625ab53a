"""Text in messages: lists, counts, reasons of exceptions, and names that are not UTF-8."""

from collections.abc import Sequence


def first_of(items: Sequence[object], shown: int, between: str = ", ") -> str:
    """Returns the first `shown` items and the number of the others: `a, b and 3 more`.

    With another separator than a comma, the separator also stands before the number: `a; b; and 3 more`.
    """
    listed = between.join(map(str, items[:shown]))
    before_rest = " " if between == ", " else between
    return f"{listed}{before_rest}and {len(items) - shown:,} more" if len(items) > shown else listed


def reason_of(error: BaseException) -> str:
    """Returns the text of an exception, or the name of its class if it has no text."""
    return str(error).strip() or type(error).__name__


def printable(text: object) -> str:
    """Returns text in which bytes of a file name that are not UTF-8 are escaped, such as `caf\\xe9.png`."""
    return str(text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def with_interval(value: float, low: float | None, high: float | None, digits: int = 4) -> str:
    """Returns a value, and its interval if it has one: `0.9524 (0.9217 to 0.9714)`."""
    interval = "" if low is None or high is None else f" ({low:.{digits}f} to {high:.{digits}f})"
    return f"{value:.{digits}f}{interval}"


def images_in_groups(images: int, groups: int) -> str:
    """Returns the number of images, and of their groups if they are fewer: `301 images in 22 groups`."""
    return f"{images:,} images" + (f" in {groups:,} groups" if groups < images else "")
