"""The types and the table of the rules of validation; the rules are in `rules.py` and `mask_rules.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from transferline.params import Severity, Validate

Table = Literal["corrections", "files", "masks", "duplicates", "history", "classes"]


@dataclass(frozen=True)
class Finding:
    """A broken rule of a file, a class or a class folder. `of` is the other file of a duplicate."""

    path: str
    rule: str
    severity: Severity
    detail: str
    of: str | None = None


class Expected:
    """One expectation of a rule.

    Attributes:
        kind: the class of Great Expectations.
        detail: the message for a row that does not meet it, with columns of the table in braces.
        severity: replaces the severity of the rule; None keeps that.
        of: the column with the path of the other file, if a finding is about two files.
        arguments: the arguments of `kind`.
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
        table: the table that is checked.
        expected: returns the expectations for the params.
        is_fault: whether images that the rule leaves out count for `validate.max_quarantined`.
    """

    table: Table
    expected: Expectations
    is_fault: bool = True


RULES: dict[str, Rule] = {}  # by name; `rule` fills it


def rule(table: Table, is_fault: bool = True) -> Callable[[Expectations], Expectations]:
    """Returns a decorator that adds a function to the table of rules, under its own name; see `Rule`."""

    def add(expectations: Expectations) -> Expectations:
        RULES[expectations.__name__] = Rule(table, expectations, is_fault)
        return expectations

    return add
