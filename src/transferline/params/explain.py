"""What `transferline params` prints: explanation, allowed values, default and value in force of every key."""

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

WIDEST = 60  # letters of a cell in the table whose column is as wide, and of alternatives on one line
CANDIDATES = "candidates"


class Key(NamedTuple):
    """A key in force, with dots."""

    path: str
    value: Any
    explanation: str

    @property
    def holds_keys(self) -> bool:
        """Whether it is a section, or the candidates."""
        return isinstance(self.value, Section) or self.path == CANDIDATES

    @property
    def without_candidate(self) -> str:
        """The same for any candidate: `candidates.fine_tune` of `candidates.lite0.fine_tune`."""
        parts = self.path.split(".")
        return ".".join([CANDIDATES, *parts[2:]]) if parts[0] == CANDIDATES else self.path


def keys_in_force(params: Params) -> list[Key]:
    """Every key and section, in the order of the file."""
    return list(_keys_below(params, ""))


def _keys_below(section: Section, path: str) -> Iterator[Key]:
    for name, value, explanation in keys_of(section):
        yield Key(f"{path}{name}", value, explanation)
        for inner, item in value.items() if isinstance(value, dict) else [("", value)]:
            if isinstance(item, Section):
                yield from _keys_below(item, f"{path}{name}.{inner}{'.' if inner else ''}")


def table(keys: list[Key]) -> str:
    """A line for each key: its name, its value unless it is a section, its explanation."""
    rows = [(key.path, "" if key.holds_keys else flow(key.value), key.explanation) for key in keys]
    widths = [max((len(row[column]) for row in rows if len(row[column]) <= WIDEST), default=0) for column in (0, 1)]
    return "\n".join(f"{path:<{widths[0]}}  {value:<{widths[1]}}  {text}".rstrip() for path, value, text in rows)


def explain(key: str, params: Params | None) -> str:
    """What there is to know about a key or a section.

    Args:
        key: its name with dots; below `candidates` the name of the candidate may be left out.
        params: what is in force; None where the file is faulty.

    Raises:
        TransferlineError: there is no such key.
    """
    facts: dict[str, str] = {}  # what is the same in several kinds of sections is told once
    for section, node in _find(key, params):
        facts.setdefault(_facts(key, node, params), kind_of(section) or str(section["title"]))
    several = len(facts) > 1
    texts = [f"With {kind}:\n{text}" if several else text for text, kind in facts.items()]
    return "\n".join([key, *texts, _in_force(key, params)])


def _find(key: str, params: Params | None) -> list[tuple[Node, Node]]:
    """The sections that may hold a key, each with what its schema tells of the key."""
    sections, found, above = [schema()], list[tuple[Node, Node]](), ""
    for part in key.split("."):
        if above == CANDIDATES and params and part in params.candidates:
            kind = type(params.candidates[part]).__name__
            sections = [section for section in sections if section["title"] == kind]
        elif not part.isdigit():  # the number of a layer
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
    hint = f"close to it are {', '.join(near)}" if near else "`transferline params` lists all"
    return TransferlineError(f"params.yaml has no key {key}; {hint}")


def _facts(key: str, node: Node, params: Params | None) -> str:
    values, by_job = allowed(node), _job_defaults(params)
    together = " or ".join(values)
    lines = [together] if len(together) <= WIDEST else values
    if key in by_job:
        default = f"{by_job[key]}, which follows from the section data"
    elif any(name.startswith(f"{key}.") for name in by_job):
        default = "that of each of its keys"
    else:
        default = flow(node["default"]) if "default" in node else "none, it must be given"
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
        return "  In force: unknown, for params.yaml is faulty"
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
