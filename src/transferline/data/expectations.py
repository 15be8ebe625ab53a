"""Great Expectations' judgement of a dataset: the expectations, the findings, and the pages that show them.

This module alone imports Great Expectations, which takes seconds.
"""

import html
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.expectations.row_conditions import Column
from great_expectations.render import RenderedDocumentContent
from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView
from jinja2 import ChoiceLoader, DictLoader

from transferline.params import Severity, Validate

Result = Any  # Great Expectations' ExpectationSuiteValidationResult
GX_SEVERITY = {"quarantine": "critical", "fail": "critical", "warn": "warning"}


@dataclass(frozen=True)
class Finding:
    """What a rule says about a file, class or class folder; `of` is the other file of a duplicate."""

    path: str
    rule: str
    severity: Severity
    detail: str
    of: str | None = None


def _expect(kind: type[Any], rule: str, detail: str, validate: Validate, **arguments: Any) -> Any:
    """An expectation that knows its rule, and says `detail` about a row that fails it."""
    severity = arguments.pop("severity", getattr(validate.rules, rule))
    meta = {"rule": rule, "severity": severity, "detail": detail}
    return kind(severity=GX_SEVERITY[severity], meta=meta, **arguments)
