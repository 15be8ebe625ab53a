"""Finds the keys that `params.yaml` lacks, and adds them to its text. A file of an older version can lack keys."""

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
    """The keys that one mapping of the file lacks, each with its current value and its explanation.

    `path` is the dotted name of the mapping, with a dot at its end; "" for the whole file.
    """

    path: str
    mapping: MappingNode
    entries: list[tuple[str, Any, str]]


def missing_keys(text: str, params: Params) -> list[str]:
    """Returns the dotted keys that a params file lacks. For a missing section, it returns only the section's own key.

    It does not include missing keys of layers in a list.
    """
    return [f"{gap.path}{key}" for gap in _gaps(params, _root(text)) for key, *_ in gap.entries]


def listed(keys: list[str]) -> str:
    """Returns the first `MOST_NAMED` keys for a message. A recipe, copied to `params.yaml`, lacks about 100."""
    return first_of(keys, MOST_NAMED)


def with_missing_keys(text: str, params: Params) -> str:
    """Returns the text of a params file with the missing keys added, each at the end of its section.

    The rest of the text does not change.

    Raises:
        TransferlineError: the file with the added keys would have other params, because it uses YAML aliases.
    """
    filled = whole = text if text.endswith("\n") else f"{text}\n"
    gaps = {id(gap.mapping): gap for gap in _gaps(params, _root(text))}.values()
    # An inner and an outer mapping can have the same place. The inner keys are inserted last, so they come first there.
    for gap in sorted(gaps, key=lambda gap: _place(whole, gap.mapping), reverse=True):
        place = _place(whole, gap.mapping)
        filled = filled[:place] + _added(gap) + filled[place:]
    if not _means(filled, params):
        raise TransferlineError(
            f"params.yaml lacks {listed(missing_keys(text, params))}; they cannot be added because of YAML aliases; "
            "replace the aliases by their values, or rewrite the file with `transferline use params.yaml --force`"
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
    """Returns the position in the text where keys can be added to a mapping.

    For a mapping in braces, this is the end of its last value. For a block, it is the start of the line after its last
    value. The parser's end mark of a block cannot be used: it is after the comments that follow the block.
    """
    if mapping.flow_style:
        return int(mapping.value[-1][1].end_mark.index if mapping.value else mapping.start_mark.index + 1)
    last: Node = mapping
    while isinstance(last, MappingNode | SequenceNode) and last.value and not last.flow_style:
        last = last.value[-1][1] if isinstance(last, MappingNode) else last.value[-1]
    return text.index("\n", last.end_mark.index - 1) + 1
