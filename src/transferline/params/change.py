"""Changes values in the text of `params.yaml`. The rest of the text, also its comments, stays as it is."""

import textwrap
from collections.abc import Sequence

from ruamel.yaml.nodes import Node

from transferline.params.candidate import Candidate
from transferline.params.missing import with_missing_keys
from transferline.params.places import end_of_values, means, root_mapping, values_by_key
from transferline.params.section import Section
from transferline.params.tree import Params
from transferline.params.write import WIDTH, complete_text, entry_lines, flow, keys_of

CANDIDATES = "candidates"


def with_augment_and_candidate(
    text: str, before: Params, after: Params, name: str | None, comment: Sequence[str]
) -> str:
    """Returns the text of a params file with another section `augment` and another or one more candidate.

    Missing keys are added. If the candidates are in braces, or a value that changes has a YAML alias, the whole file is
    written anew, without the user's comments.

    Args:
        text: the file.
        before: what it means.
        after: the new params.
        name: of the candidate; None if none changes.
        comment: sentences, which come first in the block of the candidate.
    """
    changed = _with_section(with_missing_keys(text, before), "augment", before.augment, after.augment)
    if name and means(changed, before.model_copy(update={"augment": after.augment})):
        changed = _with_candidate(changed, name, after.candidates[name], comment)
    if means(changed, after):
        return changed
    anew = complete_text(after)
    return _with_candidate(anew, name, after.candidates[name], comment) if name else anew


def _with_section(text: str, key: str, before: Section, after: Section) -> str:
    """Replaces the values of a section that differ; the last one first, so that the places of the others stay true."""
    nodes = values_by_key(values_by_key(root_mapping(text))[key])
    entries = zip(keys_of(before), keys_of(after), strict=True)
    changed = [(nodes[name], flow(value)) for (name, former, _), (_, value, _) in entries if value != former]
    for node, value in sorted(changed, key=lambda each: _start(each[0]), reverse=True):
        end = node.end_mark.index
        if _is_block(node):  # a list can begin in the column of its key, a value in brackets cannot
            value, end = f"  {value}\n", end_of_values(text, node)
        text = text[: _start(node)] + value + text[end:]
    return text


def _with_candidate(text: str, name: str, candidate: Candidate, comment: Sequence[str]) -> str:
    """Replaces the block of a candidate, or adds one after the last; does nothing if the candidates are in braces."""
    mapping = values_by_key(root_mapping(text))[CANDIDATES]
    if not _is_block(mapping):
        return text
    indent = mapping.value[0][0].start_mark.column
    first, *others = entry_lines(name, candidate, "", indent)
    start = f"{' ' * (indent + 2)}# "
    comments = [f"{start}{line}" for each in comment for line in textwrap.wrap(each, WIDTH - len(start))]
    block = "\n".join([first, *comments, *others, ""])
    for key, value in mapping.value:
        if key.value == name:
            end = end_of_values(text, value) if _is_block(value) else text.index("\n", value.end_mark.index) + 1
            return text[: _start(key) - indent] + block + text[end:]
    place = end_of_values(text, mapping)
    return f"{text[:place]}\n{block}{text[place:]}"


def _start(node: Node) -> int:
    return int(node.start_mark.index)


def _is_block(node: Node) -> bool:
    """Returns whether a node is a mapping or a list that is neither in braces nor in brackets."""
    return getattr(node, "flow_style", None) is False
