"""The text of a complete `params.yaml`: every key with its value, and its explanation as a comment."""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from transferline.params.section import Section
from transferline.params.tree import Params

WIDTH = 120  # the longest line
COLUMN = 40  # a comment starts here if the text before it is shorter
HEAD = """\
# All params, written by `transferline use RECIPE`. You can change every value.
# `transferline params KEY` shows the allowed values and the default.
"""
# Only these texts stay without quotes. DVC breaks some unquoted texts when it rewrites the file.
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")


def complete_text(params: Params) -> str:
    """Returns the complete text of `params.yaml`, in YAML's block style, with a blank line before each section."""
    lines = [HEAD.rstrip()]
    for key, value, explanation in keys_of(params):
        lines += ["", *entry_lines(key, value, explanation)]
    return "\n".join(lines) + "\n"


def keys_of(section: Section) -> Iterator[tuple[str, Any, str]]:
    """Yields each key of a section, as it is written in the file, with its current value and its explanation."""
    for name, field in type(section).model_fields.items():
        yield field.alias or name, getattr(section, name), field.description or ""


def entry_lines(key: str, value: Any, explanation: str = "", indent: int = 0) -> list[str]:
    """Returns the lines of a key in YAML's block style: its explanation, its value and the keys inside the value."""
    start = f"{' ' * indent}{key}:"
    one_line = f"{start} {flow(value)}"
    if isinstance(value, Section):
        entries = [entry_lines(*entry, indent + 2) for entry in keys_of(value)]
    elif isinstance(value, dict) and value:
        entries = [
            [*_blank_before(item), *entry_lines(flow(name), item, "", indent + 2)] for name, item in value.items()
        ]
    elif isinstance(value, tuple) and value and (isinstance(value[0], Section) or len(one_line) > WIDTH):
        entries = [[f"{' ' * indent}  - {flow(item)}"] for item in value]
    else:
        return _commented(one_line, explanation)
    return [*_commented(start, explanation), *(line for entry in entries for line in entry)]


def flow(value: Any) -> str:
    """Returns a value in YAML's flow style (with braces and brackets), on one line."""
    if isinstance(value, Section):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item, _ in keys_of(value)) + "}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(flow, value))}]"
    return _scalar(value)


@lru_cache(maxsize=None, typed=True)  # `typed` keeps 1, 1.0 and true apart
def _scalar(value: Any) -> str:
    if isinstance(value, str) and not PLAIN.fullmatch(value):
        return json.dumps(value, ensure_ascii=not value.isprintable())
    stream = StringIO()
    YAML(typ="safe", pure=True).dump(value, stream)
    return stream.getvalue().removesuffix("...\n").strip()


def _blank_before(item: Any) -> list[str]:
    return [""] if isinstance(item, Section) else []


def _commented(line: str, explanation: str) -> list[str]:
    """Returns a line with its explanation after it. If both do not fit on one line, the explanation comes above it."""
    if not explanation:
        return [line]
    for before in (line.ljust(COLUMN - 2), line):
        if len(whole := f"{before}  # {explanation}") <= WIDTH:
            return [whole]
    indent = len(line) - len(line.lstrip())
    return [f"{' ' * indent}# {explanation}", line]
