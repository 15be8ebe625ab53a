"""Runs the rules on the tables of a dataset with Great Expectations.

The import of Great Expectations takes seconds. Only this module, `rules` and `data_docs` import it.
"""

from typing import Any

import great_expectations as gx
import pandas as pd

from transferline.datasets.checks.expectations import Expected, Finding, Table
from transferline.datasets.checks.rules import RULES
from transferline.params import Severity, Validate

GX_SEVERITY = {"quarantine": "critical", "fail": "critical", "warn": "warning"}
KEYS = ["path", "split"]
COLUMN_ARGUMENTS = ("column", "column_A", "column_B")


def expectations_of(table: Table, validate: Validate) -> list[Any]:
    """Returns the expectations of all rules for a table, as objects of Great Expectations."""
    rules = [(name, rule) for name, rule in RULES.items() if rule.table == table]
    return [_configured(name, expected, validate) for name, rule in rules for expected in rule.expected(validate)]


def _configured(rule: str, expected: Expected, validate: Validate) -> Any:
    kind, arguments = expected.kind, expected.arguments
    severity: Severity = expected.severity or getattr(validate.rules, rule)
    meta = {"rule": rule, "severity": severity, "detail": expected.detail, "of": expected.of}
    wanted = ", ".join(f"{key} {value!r}" for key, value in arguments.items())
    text = f"{rule} ({severity}): {kind.expectation_type}, {wanted}"
    return kind(severity=GX_SEVERITY[severity], meta=meta, description=text, **arguments)


class Judge:
    """Checks tables by the rules, in a Great Expectations context that is never written to disk.

    Attributes:
        results: the result of each suite that ran, as Great Expectations returns it.
    """

    def __init__(self, validate: Validate) -> None:
        self.results: list[Any] = []
        self._validate = validate
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        tables = context.data_sources.add_pandas("dataset").add_dataframe_asset("tables")
        self._batches = tables.add_batch_definition_whole_dataframe("table")

    def judge(self, name: Table, table: pd.DataFrame) -> list[Finding]:
        """Checks the rows of a table by its rules; returns the findings. `path` and `split` together identify a row."""
        if table.empty:
            return []
        expectations = expectations_of(name, self._validate)
        needed = {*KEYS, "kind", *(getattr(each, key, None) for each in expectations for key in COLUMN_ARGUMENTS)}
        batch = self._batches.get_batch({"dataframe": table[[column for column in table if column in needed]]})
        suite = gx.ExpectationSuite(name, expectations=expectations)
        result = batch.validate(
            suite, result_format={"result_format": "COMPLETE", "unexpected_index_column_names": KEYS}
        )
        self.results.append(result)
        return [finding for one in result.results if not one.success for finding in _findings(one, table)]


def _findings(result: Any, table: pd.DataFrame) -> list[Finding]:
    if "unexpected_index_list" not in result.result:
        raise RuntimeError(f"Great Expectations could not judge {result.expectation_config}: {result.exception_info}")
    meta = result.expectation_config.meta
    rows = table.merge(pd.DataFrame(result.result["unexpected_index_list"])[KEYS], on=KEYS).to_dict("records")
    return [
        Finding(row["path"], meta["rule"], meta["severity"], meta["detail"].format_map(row), row.get(meta["of"]))
        for row in rows
    ]
