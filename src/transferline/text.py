"""Text in messages: lists, reasons of exceptions, and names that are not UTF-8."""

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
