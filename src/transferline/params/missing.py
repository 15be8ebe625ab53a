"""Finds the keys that `params.yaml` lacks, and adds them to its text. A file of an older version can lack keys."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from ruamel.yaml.nodes import MappingNode

from transferline.errors import TransferlineError
from transferline.params.places import end_of_values, means, root_mapping, values_by_key
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
    return [f"{gap.path}{key}" for gap in _gaps(params, root_mapping(text)) for key, *_ in gap.entries]


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
    gaps = {id(gap.mapping): gap for gap in _gaps(params, root_mapping(text))}.values()
    # An inner and an outer mapping can have the same place. The inner keys are inserted last, so they come first there.
    for gap in sorted(gaps, key=lambda gap: end_of_values(whole, gap.mapping), reverse=True):
        place = end_of_values(whole, gap.mapping)
        filled = filled[:place] + _added(gap) + filled[place:]
    if not means(filled, params):
        raise TransferlineError(
            f"params.yaml lacks {listed(missing_keys(text, params))}; they cannot be added because of YAML aliases; "
            "replace the aliases by their values, or rewrite the file with `transferline use params.yaml --force`"
        )
    return filled


def _gaps(section: Section, mapping: MappingNode, path: str = "") -> Iterator[_Gap]:
    nodes = values_by_key(mapping)
    entries = list(keys_of(section))
    if lacking := [entry for entry in entries if entry[0] not in nodes]:
        yield _Gap(path, mapping, lacking)
    for key, value, _ in entries:
        items = value.items() if isinstance(value, dict) else [("", value)]
        for name, item in items:
            node = nodes.get(key)
            if name and isinstance(node, MappingNode):
                node = values_by_key(node).get(name)
            if isinstance(item, Section) and isinstance(node, MappingNode):
                yield from _gaps(item, node, f"{path}{key}.{name}{'.' if name else ''}")


def _added(gap: _Gap) -> str:
    if gap.mapping.flow_style:
        added = ", ".join(f"{key}: {flow(value)}" for key, value, _ in gap.entries)
        return f", {added}" if gap.mapping.value else added
    indent = gap.mapping.value[0][0].start_mark.column
    blocks = ["\n".join([*entry_lines(*entry, indent), ""]) for entry in gap.entries]
    return "".join(blocks) if indent else "".join(f"\n{block}" for block in blocks)
