"""Keys that a `params.yaml` lacks, as one of an older version does: which they are, and how they get into the file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from transferline.errors import TransferlineError
from transferline.params.load import parse_params
from transferline.params.section import Section
from transferline.params.tree import Params
from transferline.params.write import entry_lines, flow, keys_of
from transferline.text import first_of

MOST_NAMED = 15


class _Gap(NamedTuple):
    """Keys that one mapping of the file lacks, each with its value in force and its explanation."""

    path: str
    mapping: MappingNode
    entries: list[tuple[str, Any, str]]


def missing_keys(text: str, params: Params) -> list[str]:
    """The keys that a params file lacks, with dots; of a section that is missing, the section alone.

    What a list of layers leaves out is not among them.
    """
    return [f"{gap.path}{key}" for gap in _gaps(params, _root(text)) for key, *_ in gap.entries]


def listed(keys: list[str]) -> str:
    """The names for a message; a recipe that was copied to `params.yaml` lacks a hundred."""
    return first_of(keys, MOST_NAMED)


def with_missing_keys(text: str, params: Params) -> str:
    """The text of a params file with the missing keys, each at the end of its section; the rest stays as it is.

    Raises:
        TransferlineError: the file would not mean the same, because of aliases.
    """
    filled = whole = text if text.endswith("\n") else f"{text}\n"
    gaps = {id(gap.mapping): gap for gap in _gaps(params, _root(text))}.values()
    for gap in sorted(gaps, key=lambda gap: _place(whole, gap.mapping), reverse=True):  # of two, the outer one is first
        place = _place(whole, gap.mapping)
        filled = filled[:place] + _added(gap) + filled[place:]
    if not _means(filled, params):
        raise TransferlineError(
            f"params.yaml lacks {listed(missing_keys(text, params))}, which cannot be added among its aliases; "
            "replace them by what they stand for, or write the whole file with `transferline use params.yaml --force`"
        )
    return filled


def _means(text: str, params: Params) -> bool:
    try:
        return parse_params(text, Path("params.yaml")) == params
    except TransferlineError:
        return False


def _root(text: str) -> MappingNode:
    root: MappingNode = YAML(typ="safe", pure=True).compose(text)
    return root


def _gaps(section: Section, mapping: MappingNode, path: str = "") -> Iterator[_Gap]:
    nodes = {str(key.value): node for key, node in mapping.value}
    entries = list(keys_of(section))
    if lacking := [entry for entry in entries if entry[0] not in nodes]:
        yield _Gap(path, mapping, lacking)
    for key, value, _ in entries:
        items = value.items() if isinstance(value, dict) else [("", value)]
        for name, item in items:
            node = nodes.get(key)
            if name and isinstance(node, MappingNode):
                node = {str(inner.value): below for inner, below in node.value}.get(name)
            if isinstance(item, Section) and isinstance(node, MappingNode):
                yield from _gaps(item, node, f"{path}{key}.{name}{'.' if name else ''}")


def _added(gap: _Gap) -> str:
    if gap.mapping.flow_style:
        added = ", ".join(f"{key}: {flow(value)}" for key, value, _ in gap.entries)
        return f", {added}" if gap.mapping.value else added
    indent = gap.mapping.value[0][0].start_mark.column
    blocks = ["\n".join([*entry_lines(*entry, indent), ""]) for entry in gap.entries]
    return "".join(blocks) if indent else "".join(f"\n{block}" for block in blocks)


def _place(text: str, mapping: MappingNode) -> int:
    """Where keys can be added: in braces behind the last value, in a block on the line below it.

    A block's own end is no help: it lies behind the comments that follow it.
    """
    if mapping.flow_style:
        return int(mapping.value[-1][1].end_mark.index if mapping.value else mapping.start_mark.index + 1)
    last: Node = mapping
    while isinstance(last, MappingNode | SequenceNode) and last.value and not last.flow_style:
        last = last.value[-1][1] if isinstance(last, MappingNode) else last.value[-1]
    return text.index("\n", last.end_mark.index - 1) + 1
