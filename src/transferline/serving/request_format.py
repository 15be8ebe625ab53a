"""The formats of a request: JSON in the four forms of MLflow's scoring protocol, CSV, or an image file."""

import csv
import io
import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

from transferline.errors import TransferlineError
from transferline.serving.bodies import Refusal
from transferline.text import first_of

COLUMN = "image"
FORMS = ("dataframe_records", "dataframe_split", "instances", "inputs")
MOST_IMAGES = 256  # in a request
MOST_LISTS = 2_500_000  # lists and objects in a request: each takes up to 88 bytes, and two characters of the body
MOST_NAMED = 5  # keys in a message


def values_of(body: bytes | bytearray, content_type: str | None) -> list[Any]:
    """Returns the images of a request as it holds them: texts, nested lists, or the bytes of one image file.

    Args:
        body: the body of the request.
        content_type: its header Content-Type.

    Raises:
        Refusal: the type is not one that the endpoint reads (status 415), or there are too many images (413).
        TransferlineError: the body does not have the format; the message names the field.
    """
    if _is_image(content_type):
        if not body:
            raise TransferlineError("the body is empty; send the content of an image file")
        return [bytes(body)]
    read = {"application/json": _of_json, "text/csv": _of_csv}.get(_media_type(content_type))
    if read is None:
        raise Refusal(
            415,
            f"the header Content-Type is {content_type}; send application/json or text/csv in UTF-8, or "
            "image/jpeg and the like for an image file",
        )
    try:
        values = read(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise TransferlineError(f"the body is not UTF-8: {error.reason} at byte {error.start}") from error
    if not values:
        raise TransferlineError("the request holds no image")
    if len(values) > MOST_IMAGES:
        raise Refusal(413, f"the request holds {len(values)} images; send at most {MOST_IMAGES}")
    return values


def _is_image(content_type: str | None) -> bool:
    """Returns whether the body is an image file. What format it has follows from its content."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind.startswith("image/") or kind == "application/octet-stream"


def _media_type(content_type: str | None) -> str:
    """Returns the type without its parameters; empty if a parameter is not `charset=utf-8`."""
    media_type, *others = (part.strip().lower() for part in (content_type or "").split(";"))
    return media_type if set(others) <= {"", "charset=utf-8", 'charset="utf-8"'} else ""


def _of_json(text: str) -> list[Any]:
    if text.count("[") + text.count("{") > MOST_LISTS:
        raise Refusal(413, f"the body holds more than {MOST_LISTS:,} lists and objects; send fewer images per request")
    try:
        tree = json.loads(text, object_pairs_hook=_without_twins)
    except RecursionError as error:
        raise TransferlineError("the body is JSON with too many levels of lists and objects") from error
    except ValueError as error:  # also a number with more digits than Python reads
        raise TransferlineError(f"the body is not valid JSON: {error}") from error
    keys = list(tree) if isinstance(tree, dict) else []
    forms = [form for form in FORMS if form in keys]
    if len(forms) != 1:
        found = first_of([repr(key)[:40] for key in keys], MOST_NAMED) or "none"
        raise TransferlineError(
            f"the body must be a JSON object with exactly one of {', '.join(FORMS)}; it has {found}"
        )
    content = tree[forms[0]]
    if forms[0] == "dataframe_split":
        return _of_split(content)
    if not isinstance(content, list):
        raise TransferlineError(f"{forms[0]} must be a list")
    return _of_records(content) if forms[0] == "dataframe_records" else content


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twin = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twin!r:.40} occurs twice in an object")
    return found


def _of_records(records: list[Any]) -> list[Any]:
    for number, record in enumerate(records):
        if not isinstance(record, dict) or COLUMN not in record:
            raise TransferlineError(f"dataframe_records[{number}] must be an object with the key {COLUMN}")
    return [record[COLUMN] for record in records]


def _of_split(table: Any) -> list[Any]:
    if not isinstance(table, dict) or not all(isinstance(table.get(key), list) for key in ("columns", "data")):
        raise TransferlineError("dataframe_split must be an object with the lists columns and data")
    return _of_table(table["columns"], table["data"], "dataframe_split.columns", "dataframe_split.data[{}]")


def _of_table(columns: Sequence[Any], rows: Sequence[Any], header: str, row_name: str) -> list[Any]:
    if columns.count(COLUMN) != 1:
        raise TransferlineError(f"{header} must hold {COLUMN} once; it is there {columns.count(COLUMN)} times")
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            raise TransferlineError(f"{row_name.format(number)} must be a list of {len(columns)} values, like {header}")
    place = columns.index(COLUMN)
    return [row[place] for row in rows]


def _of_csv(text: str) -> list[Any]:
    if text.count(",") > MOST_LISTS:
        raise Refusal(413, f"the body holds more than {MOST_LISTS:,} fields; send only the column {COLUMN}")
    csv.field_size_limit(max(len(text), csv.field_size_limit()))  # the limit of the body also limits a field
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = next(reader, [])
        rows = list(islice(filter(None, reader), MOST_IMAGES + 1))
    except csv.Error as error:
        raise TransferlineError(f"the body is not valid CSV: line {reader.line_num}: {error}") from error
    return _of_table(columns, rows, "the first line", "line {} after it")
