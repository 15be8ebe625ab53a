"""Great Expectations' judgement of a dataset: what is expected of its tables, and what it found.

Great Expectations takes seconds to import; only this module and `data_docs` do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.expectations.row_conditions import Column

from transferline.datasets.checks.corrections import LEFT_OUT
from transferline.params import Severity, Validate

GX_SEVERITY = {"quarantine": "critical", "fail": "critical", "warn": "warning"}
KEYS = ["path", "split"]
COLUMN_ARGUMENTS = ("column", "column_A", "column_B")
NO_TEST_SET = "none"
Rule = Callable[..., Any]  # `_expect` for the params


@dataclass(frozen=True)
class Finding:
    """What a rule says about a file, a class or a class folder; `of` is the other file of a duplicate."""

    path: str
    rule: str
    severity: Severity
    detail: str
    of: str | None = None


def _expect(
    validate: Validate, rule: str, detail: str, kind: type[Any], *, severity: Severity | None = None, **arguments: Any
) -> Any:
    """An expectation that knows its rule and severity, and says `detail` about each row that does not meet it."""
    severity = severity or getattr(validate.rules, rule)
    of = arguments["column"] if kind is gxe.ExpectColumnValuesToBeNull else None  # a column of other files
    meta = {"rule": rule, "severity": severity, "detail": detail, "of": of}
    wanted = ", ".join(f"{key} {value!r}" for key, value in arguments.items())
    text = f"{rule} ({severity}): {kind.expectation_type}, {wanted}"
    return kind(severity=GX_SEVERITY[severity], meta=meta, description=text, **arguments)


def correction_expectations(validate: Validate) -> list[Any]:
    """What is expected of the corrections; the table is that of `correction_table`."""
    outside, between = gxe.ExpectColumnValuesToNotBeInSet, gxe.ExpectColumnValuesToBeBetween
    rule = partial(_expect, validate, detail="{reason}")
    return [
        rule("excluded", kind=outside, column="correction", value_set=[LEFT_OUT], severity="quarantine"),
        rule("unmatched_correction", kind=between, column="images", min_value=1),
    ]


def file_expectations(validate: Validate) -> list[Any]:
    """What is expected of each file by itself.

    The table has the columns of `scan`, `label`, `kind` (image, hidden or other), `reason` (`error` without its
    first word) and `suffix_format` (the format that the suffix promises, empty for none).
    """
    rule, image = partial(_expect, validate), Column("kind") == "image"
    unlabelled = "the layout gives it no label, or no split, ignored"
    not_null = gxe.ExpectColumnValuesToNotBeNull
    return [
        *_expectations_of_content(rule, validate, image),
        *_expectations_of_pixels(rule, validate),
        rule("unlabelled", unlabelled, not_null, column="label", row_condition=image),
    ]


def _expectations_of_content(rule: Rule, validate: Validate, image: Any) -> list[Any]:
    between, among, outside = (
        gxe.ExpectColumnValuesToBeBetween,
        gxe.ExpectColumnValuesToBeInSet,
        gxe.ExpectColumnValuesToNotBeInSet,
    )
    errors = ("unreadable", "undecodable", "truncated", "too_large")
    return [
        *(
            rule(name, "{reason}", gxe.ExpectColumnValuesToNotMatchRegex, column="error", regex=f"^{name}:")
            for name in errors
        ),
        rule("hidden", "hidden, ignored", outside, column="kind", value_set=["hidden"]),
        rule("not_an_image", "not an image, ignored", outside, column="kind", value_set=["other"]),
        rule("empty_file", "0 bytes", between, column="bytes", min_value=1, row_condition=image),
        rule("format", "{format} is not allowed", among, column="format", value_set=list(validate.formats)),
        rule(
            "extension",
            "its content is {format}",
            gxe.ExpectColumnPairValuesToBeEqual,
            column_A="format",
            column_B="suffix_format",
            ignore_row_if="either_value_is_missing",
        ),
    ]


def _expectations_of_pixels(rule: Rule, validate: Validate) -> list[Any]:
    between, sides, size = gxe.ExpectColumnValuesToBeBetween, ("width", "height"), "{width} × {height} pixels"
    smallest, largest = f"{size}, smaller than {validate.min_side}", f"{size}, larger than {validate.max_side}"
    blank = "nearly blank: luminance deviates by {luminance_std:.1f} of 255"
    return [
        *(rule("too_small", smallest, between, column=side, min_value=validate.min_side) for side in sides),
        *(rule("too_large", largest, between, column=side, max_value=validate.max_side) for side in sides),
        rule("blank", blank, between, column="luminance_std", min_value=validate.blank_std),
    ]


def mask_expectations(validate: Validate) -> list[Any]:
    """What is expected of the mask of each image; the table has `mask_error` (see `scan_masks`), and `mask_reason`,
    which is the same without its first word."""
    return [
        _expect(
            validate,
            name,
            "{mask_reason}",
            gxe.ExpectColumnValuesToNotMatchRegex,
            column="mask_error",
            regex=f"^{name}:",
        )
        for name in ("mask_missing", "mask_size", "mask_values", "mask_empty")
    ]


def duplicate_expectations(validate: Validate) -> list[Any]:
    """What is expected of each image beside the others; the table has the columns of `duplicates`."""
    rule = partial(_expect, validate, kind=gxe.ExpectColumnValuesToBeNull)
    reported = "warn" if validate.rules.near_duplicate == "quarantine" else validate.rules.near_duplicate
    return [
        rule("label_conflict", "same bytes as {conflicts_with}, which has another label", column="conflicts_with"),
        rule("duplicate", "same bytes as {duplicate_of}", column="duplicate_of"),
        rule("split_duplicate", "same bytes as {split_duplicate_of}, in another split", column="split_duplicate_of"),
        rule("near_duplicate", "looks like {near_duplicate_of}, in another split", column="near_duplicate_of"),
        rule(
            "near_duplicate",
            "looks like {near_duplicate_given}, in another given split",
            column="near_duplicate_given",
            severity=reported,
        ),
    ]


def history_expectations(validate: Validate) -> list[Any]:
    """What is expected of each training image; `former_test_set` is the hash of a test set that it was in."""
    return [
        _expect(
            validate,
            "former_test_image",
            "a champion was tested on it (test set {former_test_set:.12}), it must not be trained on; put it back into "
            "test, or take it out",
            gxe.ExpectColumnValuesToBeInSet,
            column="former_test_set",
            value_set=[NO_TEST_SET],
        )
    ]


def class_expectations(validate: Validate) -> list[Any]:
    """What is expected of each class; the table has a row per class and split (`images`, and in train `ratio`, how
    many times larger the largest class is) and one per class folder or column (`files`)."""
    rule = partial(_expect, validate, kind=gxe.ExpectColumnValuesToBeBetween)
    return [
        rule(
            "few_images",
            f"{{images:.0f}} image(s) in {{split}}, fewer than validate.min_images = {validate.min_images}: add some, "
            "or let data.split draw more",
            column="images",
            min_value=validate.min_images,
        ),
        rule(
            "imbalance",
            f"the largest class has {{ratio:.1f}} times as many images in train, more than {validate.max_imbalance:g}",
            column="ratio",
            max_value=validate.max_imbalance,
        ),
        rule("empty_class", "a class without images, ignored", column="files", min_value=1),
    ]


class Judge:
    """Runs expectations on tables, in a Great Expectations context that is never written to disk.

    Attributes:
        results: of each suite that ran, as Great Expectations gives them.
    """

    def __init__(self) -> None:
        self.results: list[Any] = []
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        tables = context.data_sources.add_pandas("dataset").add_dataframe_asset("tables")
        self._batches = tables.add_batch_definition_whole_dataframe("table")

    def judge(self, name: str, table: pd.DataFrame, expectations: Sequence[Any]) -> list[Finding]:
        """Judges the rows of `table`, which `path` and `split` together name, and returns what it found."""
        if table.empty:
            return []
        needed = {*KEYS, "kind", *(getattr(each, key, None) for each in expectations for key in COLUMN_ARGUMENTS)}
        batch = self._batches.get_batch({"dataframe": table[[column for column in table if column in needed]]})
        suite = gx.ExpectationSuite(name, expectations=list(expectations))
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
