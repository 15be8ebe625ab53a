"""Finds places in the text of a params file, so that a change leaves the rest of the text as it is."""

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from transferline.errors import TransferlineError
from transferline.params.load import parse_params
from transferline.params.tree import Params


def root_mapping(text: str) -> MappingNode:
    """Returns the mapping of a whole params file, with the places of its keys and values."""
    root: MappingNode = YAML(typ="safe", pure=True).compose(text)
    return root


def values_by_key(mapping: Node) -> dict[str, Node]:
    """Returns the values of a mapping by their keys."""
    return {str(key.value): value for key, value in mapping.value}


def end_of_values(text: str, node: Node) -> int:
    """Returns the position in the text after the last value of a node.

    For a mapping in braces, this is the end of its last value. For a block, it is the start of the line after
    its last value. The parser's end mark of a block cannot be used: it is after the comments that follow the block.
    """
    if isinstance(node, MappingNode) and node.flow_style:
        return int(node.value[-1][1].end_mark.index if node.value else node.start_mark.index + 1)
    last = node
    while isinstance(last, MappingNode | SequenceNode) and last.value and not last.flow_style:
        last = last.value[-1][1] if isinstance(last, MappingNode) else last.value[-1]
    return text.index("\n", last.end_mark.index - 1) + 1


def means(text: str, params: Params) -> bool:
    """Returns whether the text of a params file means these params."""
    try:
        return parse_params(text, Path("params.yaml")) == params
    except TransferlineError:
        return False
