"""The output of `transferline params`: explanation, allowed values, default and value in force of every key."""

import difflib
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

from transferline.errors import TransferlineError
from transferline.params.allowed import Node, allowed, kind_of, schema, sections_in
from transferline.params.job_defaults import job_defaults
from transferline.params.section import Section
from transferline.params.tree import Params
from transferline.params.write import WIDTH, flow, keys_of

# The largest width of a column of the table, in characters; longer cells exceed it. Allowed values are on one line if
# they are not longer.
WIDEST = 60
CANDIDATES = "candidates"


class Key(NamedTuple):
    """A key of the params with its value in force. `path` is the key with dots."""

    path: str
    value: Any
    explanation: str

    @property
    def holds_keys(self) -> bool:
        """Whether the value is a section or the mapping of candidates."""
        return isinstance(self.value, Section) or self.path == CANDIDATES

    @property
    def without_candidate(self) -> str:
        """The path without a candidate's name: `candidates.fine_tune` for `candidates.lite0.fine_tune`."""
        parts = self.path.split(".")
        return ".".join([CANDIDATES, *parts[2:]]) if parts[0] == CANDIDATES else self.path


def keys_in_force(params: Params) -> list[Key]:
    """Returns every key and section, in the order of the file."""
    return list(_keys_below(params, ""))


def _keys_below(section: Section, path: str) -> Iterator[Key]:
    for name, value, explanation in keys_of(section):
        yield Key(f"{path}{name}", value, explanation)
        for inner, item in value.items() if isinstance(value, dict) else [("", value)]:
            if isinstance(item, Section):
                yield from _keys_below(item, f"{path}{name}.{inner}{'.' if inner else ''}")


def table(keys: list[Key]) -> str:
    """Returns a line for each key: its name, its value unless it is a section, and its explanation."""
    rows = [(key.path, "" if key.holds_keys else flow(key.value), key.explanation) for key in keys]
    widths = [max((len(row[column]) for row in rows if len(row[column]) <= WIDEST), default=0) for column in (0, 1)]
    return "\n".join(f"{path:<{widths[0]}}  {value:<{widths[1]}}  {text}".rstrip() for path, value, text in rows)


def explain(key: str, params: Params | None) -> str:
    """Returns the explanation, the allowed values, the default and the value in force of a key or a section.

    Args:
        key: the key with dots; below `candidates` the name of the candidate can be left out.
        params: the params in force; None if the file is faulty.

    Raises:
        TransferlineError: there is no such key.
    """
    facts: dict[str, str] = {}  # a text that is the same for several kinds of sections appears once
    for section, node in _find(key, params):
        facts.setdefault(_facts(key, node, params), kind_of(section) or str(section["title"]))
    several = len(facts) > 1
    texts = [f"With {kind}:\n{text}" if several else text for text, kind in facts.items()]
    return "\n".join([key, *texts, _in_force(key, params)])


def _find(key: str, params: Params | None) -> list[tuple[Node, Node]]:
    """Returns the sections that can contain a key, each with the key's part of its JSON schema."""
    sections, found, above = [schema()], list[tuple[Node, Node]](), ""
    for part in key.split("."):
        if above == CANDIDATES and params and part in params.candidates:
            kind = type(params.candidates[part]).__name__
            sections = [section for section in sections if section["title"] == kind]
        elif not part.isdigit():  # a number is the position of a layer in the list
            found = [(section, section["properties"][part]) for section in sections if part in section["properties"]]
            if not found and not (above == CANDIDATES and params is None):
                raise _unknown(key, params)
            sections = [inner for _, node in found for inner in sections_in(node)] or sections
        above = part
    return found


def _unknown(key: str, params: Params | None) -> TransferlineError:
    keys = keys_in_force(params) if params else []
    names = list(dict.fromkeys(name for each in keys for name in (each.without_candidate, each.path)))
    same = [name for name in names if name.endswith(f".{key.rpartition('.')[2]}")]
    near = list(dict.fromkeys([*difflib.get_close_matches(key, names, 3), *same]))[:5]
    hint = f"similar keys are {', '.join(near)}" if near else "`transferline params` lists all keys"
    return TransferlineError(f"params.yaml has no key {key}; {hint}")


def _facts(key: str, node: Node, params: Params | None) -> str:
    values, by_job = allowed(node), _job_defaults(params)
    together = " or ".join(values)
    lines = [together] if len(together) <= WIDEST else values
    if key in by_job:
        default = f"{by_job[key]}, which depends on the section data"
    elif any(name.startswith(f"{key}.") for name in by_job):
        default = "the default of each key in it"
    else:
        default = flow(node["default"]) if "default" in node else "none, the key is required"
    rows = [f"  {node['description']}", *_labelled("Allowed: ", lines), *_labelled("Default: ", [default])]
    return "\n".join(rows)


def _job_defaults(params: Params | None) -> dict[str, str]:
    if params is None:
        return dict.fromkeys(job_defaults("", ""), "one")
    return {key: flow(value) for key, value in job_defaults(params.data.problem, params.data.dataset).items()}


def _labelled(label: str, lines: list[str]) -> list[str]:
    labels = [label, *[" " * len(label)] * len(lines)]
    indent = " " * (4 + len(label))
    return [
        textwrap.fill(
            f"  {before}{line}", WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
        for before, line in zip(labels, lines, strict=False)
    ]


def _in_force(key: str, params: Params | None) -> str:
    if params is None:
        return "  In force: unknown, because params.yaml is faulty"
    keys = keys_in_force(params)
    named = [each for each in keys if key in (each.path, each.without_candidate)]
    if not named:
        return "  In force: nowhere, or only in a list of layers"
    if any(each.holds_keys for each in named):
        start = f"{key}."
        below = [each for each in keys if each.path.startswith(start) or each.without_candidate.startswith(start)]
        return f"  In force:\n{table(below)}"
    values = [flow(each.value) + (f" in {each.path.split('.')[1]}" if each.path != key else "") for each in named]
    return "\n".join(_labelled("In force: ", values))
