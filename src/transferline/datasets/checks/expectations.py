"""What a rule of validation is made of; the rules are in `rules.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from transferline.params import Severity, Validate

Table = Literal["corrections", "files", "masks", "duplicates", "history", "classes"]


@dataclass(frozen=True)
class Finding:
    """What a rule says about a file, a class or a class folder; `of` is the other file of a duplicate."""

    path: str
    rule: str
    severity: Severity
    detail: str
    of: str | None = None


class Expected:
    """One expectation of a rule.

    Attributes:
        kind: Great Expectations' class.
        detail: what is said of a row that does not meet it, with the columns of the table in braces.
        severity: in place of that of the rule.
        of: the column with the path of the other file, where a finding is about two.
        arguments: of `kind`.
    """

    def __init__(
        self, kind: type[Any], detail: str, severity: Severity | None = None, of: str | None = None, **arguments: Any
    ) -> None:
        self.kind, self.detail, self.severity, self.of, self.arguments = kind, detail, severity, of, arguments


Expectations = Callable[[Validate], list[Expected]]


@dataclass(frozen=True)
class Rule:
    """A row of the table of rules.

    Attributes:
        table: what is judged.
        expected: the expectations, which follow from the params.
        is_fault: whether images that it leaves out count in `validate.max_quarantined`.
    """

    table: Table
    expected: Expectations
    is_fault: bool = True
