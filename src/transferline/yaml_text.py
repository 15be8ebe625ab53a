"""Reads YAML. Each file that this package reads as YAML goes through `parse_yaml`."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent

from transferline.errors import TransferlineError

MOST_LEVELS = 100  # of lists and mappings inside each other
MOST_BITS = 64  # of an integer
MOST_VALUES = 1_000_000  # if each alias is replaced by what it stands for


def parse_yaml(text: str, name: Path | str) -> Any:
    """Returns the content of a YAML document, as DVC reads it: YAML 1.2 without objects of Python.

    Args:
        text: the document.
        name: of the file, for messages.

    Raises:
        TransferlineError: the text is not YAML, a key occurs twice, or lists, mappings or aliases go beyond the limits.
    """
    try:
        _check_limits(text, name)
        return YAML(typ="safe").load(text)
    except DuplicateKeyError as error:
        problem = str(error.problem).partition(" with value")[0]
        raise TransferlineError(f"{name} cannot be read as YAML: {problem}{_place(error)}; keep one of them") from error
    except MarkedYAMLError as error:
        raise TransferlineError(f"{name} cannot be read as YAML: {error.problem}{_place(error)}") from error
    except (YAMLError, ValueError, LookupError) as error:  # also a date such as 2026-13-01, or `!!bool x`
        raise TransferlineError(f"{name} cannot be read as YAML: {' '.join(str(error).split())}") from error


def parse_settings(text: str, name: Path | str, named: Collection[str] = ()) -> Any:
    """Returns the content of a YAML document as JSON could hold it. Keys that are integers become texts.

    Args:
        text: the document.
        name: of the file, for messages.
        named: mappings at the top level whose keys must be texts in the file, too, because DVC reads them.

    Raises:
        TransferlineError: see `parse_yaml`; or a value is a date, bytes or a set, or a key is not a text. The message
            names all of them.
    """
    tree = parse_yaml(text, name)
    numbers = [
        f"{key}: the key {number} is a number, which DVC would leave out; put it in quotes"
        for key in named
        if isinstance(tree, dict) and isinstance(tree.get(key), dict)
        for number in tree[key]
        if type(number) is int
    ]
    if faults := [*_faults(tree, ""), *numbers]:
        raise TransferlineError("\n  ".join([f"{name}: {len(faults)} fault(s)", *faults]))
    return _with_text_keys(tree)


def _faults(value: Any, place: str) -> Iterator[str]:
    where = place or "top level"
    if isinstance(value, dict):
        texts = [str(key) for key in value]
        for key, item in value.items():
            if type(key) not in (str, int):
                yield f"{where}: the key {key!r:.40} is not a text; put it in quotes"
            elif isinstance(key, str) and texts.count(key) > 1:
                yield f"{where}: the key {key!r:.40} occurs twice"
            yield from _faults(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _faults(item, f"{place}.{number}" if place else str(number))
    elif isinstance(value, str) and "\0" in value:
        yield f"{where}: a text must not contain the character NUL (got {value!r:.40})"
    elif isinstance(value, int) and value.bit_length() > MOST_BITS:
        yield f"{where}: the number has too many digits"
    elif not isinstance(value, str | int | float | None):
        yield f"{where}: Input should be a valid string (got {value!s:.40}); put it in quotes"


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_text_keys(item) for item in value]
    return {str(key): _with_text_keys(item) for key, item in value.items()} if isinstance(value, dict) else value


def _place(error: MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _check_limits(text: str, name: Path | str) -> None:
    """Counts levels and values without building them: a short text with aliases of aliases can stand for any number."""
    sizes: dict[str, int] = {}  # of the values that have an anchor
    open_values: list[tuple[str | None, int]] = []  # the anchor, and the number of values before
    values = 0
    for event in YAML(typ="safe").parse(text):
        if isinstance(event, AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_values):
                raise TransferlineError(f"{name} cannot be read as YAML: the alias *{event.anchor} contains itself")
            values += sizes.get(event.anchor, 1)
        elif isinstance(event, CollectionStartEvent):
            open_values.append((event.anchor, values))
            values += 1
        elif isinstance(event, CollectionEndEvent):
            anchor, before = open_values.pop()
            if anchor:
                sizes[anchor] = values - before
        elif isinstance(event, NodeEvent):
            values += 1
        if len(open_values) > MOST_LEVELS or values > MOST_VALUES:
            raise TransferlineError(
                f"{name} cannot be read as YAML: it has more than {MOST_LEVELS} levels, or more than {MOST_VALUES:,} "
                "values with its aliases; replace the aliases, or make it smaller"
            )
