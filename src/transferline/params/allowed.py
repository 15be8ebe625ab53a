"""Describes the allowed values of a key of `params.yaml` in words, from the JSON schema that pydantic generates."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from transferline.params.tree import Params
from transferline.params.write import flow

Node = dict[str, Any]
BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
NUMBERS = {"integer": "a whole number", "number": "a number"}


@cache
def schema() -> Node:
    """Returns the JSON schema of `params.yaml`."""
    return Params.model_json_schema()


def alternatives(node: Node) -> Iterator[Node]:
    """Yields the members of a union, with references resolved; for any other node, the node itself."""
    if "$ref" in node:
        yield from alternatives(schema()["$defs"][node["$ref"].rpartition("/")[2]])
    elif members := node.get("anyOf") or node.get("oneOf"):
        for member in members:
            yield from alternatives(member)
    else:
        yield node


def sections_in(node: Node) -> Iterator[Node]:
    """Yields the sections that can be the value of a key, including those in a list or in a mapping."""
    for member in alternatives(node):
        if "properties" in member:
            yield member
        for inner in (member.get("items"), *member.get("patternProperties", {}).values()):
            if isinstance(inner, dict):
                yield from sections_in(inner)


def kind_of(section: Node) -> str:
    """Returns the entry that distinguishes a section from its alternatives, such as `kind: voc`; empty without one."""
    for name in ("kind", "name"):
        values = section["properties"].get(name, {})
        if name in section.get("required", ()) and ("const" in values or "enum" in values):
            return f"{name}: {' or '.join(_literals(values))}"
    return ""


def allowed(node: Node) -> list[str]:
    """Returns the allowed values in words, one text for each alternative."""
    return list(dict.fromkeys(words for member in alternatives(node) for words in _each(member)))


def _each(node: Node) -> list[str]:
    items = allowed(node["items"]) if "items" in node else []
    return ["a list, each entry one of:", *items] if len(items) > 1 else [_words(node)]


def _words(node: Node) -> str:
    if "properties" in node:
        return _section_words(node)
    if literals := _literals(node):
        return ", ".join(literals)
    kind = node.get("type")
    if kind == "array":
        return _list_words(node)
    if kind == "object":
        (values,) = node.get("patternProperties", {"": node.get("additionalProperties")}).values()
        return f"for each name: {' or '.join(allowed(values))}"
    if kind in NUMBERS:
        limits = [f"{word} {node[bound]}" for bound, word in BOUNDS.items() if bound in node]
        return " ".join([NUMBERS[kind], " and ".join(limits)]).rstrip()
    if "pattern" in node:
        return f"text that matches {node['pattern']}"
    return {"boolean": "true, false", "null": "null"}.get(str(kind), "text")


def _section_words(node: Node) -> str:
    keys = [key for key in node["properties"] if not kind_of(node).startswith(f"{key}:")]
    return f"{{{', '.join(filter(None, [kind_of(node), *(f'{key}: …' for key in keys)]))}}}"


def _literals(node: Node) -> list[str]:
    return [flow(value) for value in node.get("enum", [node["const"]] if "const" in node else [])]


def _list_words(node: Node) -> str:
    if "prefixItems" in node:
        return f"[{', '.join(' or '.join(allowed(item)) for item in node['prefixItems'])}]"
    least = f" of {node['minItems']} or more" if node.get("minItems") else ""
    return f"a list{least}, each: {' or '.join(allowed(node['items']))}"
